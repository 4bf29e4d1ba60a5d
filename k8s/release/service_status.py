"""The status of a service in an environment: which version answers, and whether its canary passed.

It comes from the records of rollouts: the twin's `events.jsonl`, or Flagger's Canary. Records that cannot be
read or understood are an error, so that nothing is promoted on a guess.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.releases.canary_status import SERVING, SUCCEEDED, status_of
from k8s.cluster.kubectl import get_json
from k8s.errors import ClusterError, ToolError
from k8s.release.errors import PromotionError

_SECONDS = 30


@dataclass(frozen=True)
class ServiceStatus:
    """The champion now; `passed` is false for a first version, which was compared with none."""

    version: str
    package: str
    passed: bool
    under_way: bool


def status_on_twin(events: Path) -> ServiceStatus:
    """Reads the status of a twin's service from its record.

    Raises:
        PromotionError: the record is not there, is broken, or names no champion.
    """
    try:
        lines = events.read_text(encoding="utf-8").splitlines()
        return _of_events([json.loads(line) for line in lines], events)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PromotionError(
            f"{events}: how the canary ended cannot be read ({error!r}); nothing is promoted"
        ) from error


def _of_events(events: Iterable[dict[str, Any]], source: Path) -> ServiceStatus:
    champion: tuple[str, str] | None = None
    passed: set[tuple[str, str]] = set()
    under_way = ""
    for event in events:
        if event["kind"] == "starting":
            under_way = event["version"]
        if event["kind"] != "ended":
            continue
        under_way = ""
        if event["phase"] in SERVING:
            champion = (event["version"], event["evidence"]["package"])
        if event["phase"] == SUCCEEDED and champion is not None:
            passed.add(champion)
    if champion is None:
        raise PromotionError(f"{source}: no version answers yet; wait for the first rollout's end")
    return ServiceStatus(*champion, passed=champion in passed, under_way=bool(under_way))


def status_in_cluster(service: str, namespace: str, context: str = "") -> ServiceStatus:
    """Reads the status of a service in a cluster from Flagger's Canary and the champion's Deployment.

    Raises:
        PromotionError: the cluster cannot be asked, or what it says cannot be understood.
    """
    try:
        canary = _asked(f"canary/{service}", namespace, context)
        champion = _asked(f"deployment/{service}-primary", namespace, context)
        kept = _asked("replicasets", namespace, context, "--selector", f"app={service}-primary")["items"]
        return status_of_objects(canary, champion, kept)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise PromotionError(
            f"{namespace}/{service}: its state is not understood ({error!r}); nothing is promoted"
        ) from error


def status_of_objects(
    canary: dict[str, Any], champion: dict[str, Any], kept: Iterable[dict[str, Any]]
) -> ServiceStatus:
    """The status of a service by its Canary, the champion's Deployment and the latter's ReplicaSets.

    After a failed canary, the champion once passed itself if it replaced another version: only Flagger changes its
    Deployment, and only after a pass; Kubernetes keeps the ReplicaSets of earlier versions.

    Raises:
        KeyError, IndexError, TypeError: the objects are not as the chart and Flagger make them.
    """
    status, name = status_of(canary), identity(champion["spec"]["template"])
    if not status.phase:
        raise KeyError("status.phase")
    owned = [one for one in kept if champion["metadata"]["uid"] in _owners(one)]
    took_over = any(identity(one["spec"]["template"]) != name for one in owned)
    passed = status.phase == SUCCEEDED or (status.failed and took_over)
    return ServiceStatus(*name, passed=passed, under_way=not status.at_rest)


def identity(pod: dict[str, Any]) -> tuple[str, str]:
    """The version and package of a pod or pod template.

    Raises:
        KeyError: the pod does not serve a model.
    """
    settings = {one["name"]: one.get("value", "") for one in pod["spec"]["containers"][0]["env"]}
    return settings["CANARIO_VERSION"], pod["metadata"]["annotations"]["canario/package"]


def _owners(replicas: dict[str, Any]) -> list[str]:
    return [one["uid"] for one in replicas["metadata"].get("ownerReferences", ())]


def _asked(what: str, namespace: str, context: str, *options: str) -> dict[str, Any]:
    place = [*(["--context", context] if context else []), "--namespace", namespace]
    try:
        return get_json(*place, "get", what, *options, seconds=_SECONDS)
    except (ClusterError, ToolError) as error:
        raise PromotionError(f"kubectl cannot ask for {what}: {error}; nothing is promoted") from error
