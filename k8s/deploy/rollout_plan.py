"""Warns before a canary that the champion's traffic is too little for its rollout: what `make plan` says, in short."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from components.spec.contract import Rollout
from k8s.cluster import kubectl
from k8s.errors import ClusterError, ToolError
from services.judge.errors import SourceError
from services.judge.evidence.counts import Counts
from services.judge.plan.before import shadow_figures, shadow_words
from services.judge.plan.figures import Planner, fits
from services.judge.plan.playing import AssumedTraffic
from services.judge.plan.show import headline, rate_text
from services.judge.plan.traffic import champion_of, counted
from services.judge.shadow.first import canary_rollout
from services.judge.simulate.world import LABELLED, SimulatedVersion, champion

_CONTAINER: Final = "server"
_PORT: Final = 3000
_SECONDS: Final = 10.0
_ROLLOUTS: Final = 100
_SEED: Final = 7


@dataclass(frozen=True)
class ChampionTraffic:
    """What the champion's replicas have counted, and how many requests a second that was since each started."""

    counts: Counts
    rate: float


def told(
    service: str,
    namespace: str,
    rollout: Rollout,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    usual: SimulatedVersion | None = None,
) -> str:
    """What a person should know before the canary starts; empty where the rollout fits the champion's traffic.

    What the champion has not counted is taken from the `usual` one of its task, by default of two words.
    """
    more = f"`make plan SERVICE={service} RATE="
    try:
        found = champion_traffic(service, namespace, now())
    except (ClusterError, ToolError, SourceError) as error:
        return f"{service}: the rate of requests is not known ({error}); {more}2` tells whether 2 a second are enough"
    if found is None:
        return ""
    if found.rate <= 0:
        return (
            f"{service}: the champion has no requests, so nothing will be judged; {more}2` tells what 2 a second give"
        )
    canary = canary_rollout(rollout) if rollout.shadow_first else rollout
    planner = _planner(canary, found, usual or champion())
    row = planner.all_signals()
    lacks = [] if fits(row, canary) else [headline(service, canary, found.rate, row)]
    if rollout.shadow_first:
        shadow = shadow_figures(rollout, planner.traffic, _ROLLOUTS, _SEED)
        lacks += [] if shadow.fits else [shadow_words(shadow, found.rate, rollout)]
    command = f"{more}{rate_text(found.rate)}`".replace(",", "")
    return f"{' '.join(lacks)} {command} tells what to change." if lacks else ""


def champion_traffic(service: str, namespace: str, now: datetime) -> ChampionTraffic | None:
    """The champion's counters and their rate, from its replicas; None without a champion.

    Raises:
        ClusterError: the cluster is not reached, or does not let us read a replica's /metrics.
        SourceError: a page is not that of a replica.
    """
    pods = [pod for pod in kubectl.objects(namespace, "pods", service) if _is_champion(pod, service)]
    if not pods:
        return None
    total, rate = Counts(), 0.0
    for pod in pods:
        counts = counted([_page(pod, namespace)], service, now.timestamp())
        total, rate = total + counts, rate + (counts.requests or 0.0) / max(_age(pod, now), 1.0)
    return ChampionTraffic(total, rate)


def _planner(rollout: Rollout, found: ChampionTraffic, usual: SimulatedVersion) -> Planner:
    """What to play: the labels' share and delay are not in the counters, and taken as half and at once."""
    traffic = AssumedTraffic(found.rate, LABELLED, 0.0, champion_of(found.counts, usual) or usual)
    return Planner(rollout, traffic, _ROLLOUTS, _SEED)


def _is_champion(pod: Mapping[str, Any], service: str) -> bool:
    """Whether a pod answers as the champion: it is Flagger's copy, and ready."""
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in _conditions(pod))
    return ready and pod["metadata"]["name"].startswith(f"{service}-primary-")


def _conditions(pod: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    conditions: Iterable[Mapping[str, Any]] = pod.get("status", {}).get("conditions", ())
    return conditions


def _page(pod: Mapping[str, Any], namespace: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}:{_PORT}/proxy/metrics"
    return kubectl.kubectl("get", "--raw", path, seconds=_SECONDS)


def _age(pod: Mapping[str, Any], now: datetime) -> float:
    """The seconds since the server's container started, and its counters with it."""
    statuses = pod.get("status", {}).get("containerStatuses", ())
    running = [one.get("state", {}).get("running", {}) for one in statuses if one.get("name") == _CONTAINER]
    started = next((one["startedAt"] for one in running if "startedAt" in one), pod["metadata"]["creationTimestamp"])
    return (now - datetime.fromisoformat(started)).total_seconds()
