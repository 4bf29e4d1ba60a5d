"""The judge's source in a cluster: reads the raw samples of a rollout from a Prometheus server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any

from components.spec.contract import Rollout
from services import telemetry
from services.judge.errors import SourceError
from services.judge.evidence.exposition import EXPECTED, MetricSample, Reading, read_replica
from services.judge.evidence.following import OVERLAP_SECONDS, Followed, Following
from services.judge.evidence.gateway_page import backends, page_row, routes
from services.judge.evidence.matrix import read_matrix
from services.judge.evidence.series import Replica, Role, Rows, Series
from services.judge.webhook import Subject

_METRICS = (
    telemetry.REQUESTS, telemetry.ERRORS, telemetry.SLOW, telemetry.SLOWER, telemetry.SCORES, telemetry.LABELS,
    telemetry.MODEL_INFO, telemetry.HOLDOUT_SHIFT, telemetry.HOLDOUT_SHIFT_ERROR, telemetry.ARRIVED,
    telemetry.INPUTS, telemetry.INPUTS_UNLIKE, telemetry.INPUTS_DISTANCE, *EXPECTED,
    telemetry.INPUTS_COUNTED, telemetry.INPUTS_SQUARES, telemetry.INPUTS_WAVES,
    telemetry.SCORE_EDGE, telemetry.SCORE_CLASS, telemetry.LABEL_LOSS,
)  # fmt: skip
#: What is read from the last pages alone: they hold the labels of all answers since the rollout began.
_RECENT_METRICS = (telemetry.LABELLED, telemetry.REMEMBERED, telemetry.LABEL_SLOT_SECONDS)
_RECENT_SECONDS = 180.0
#: The alphabet of Kubernetes' generated names, without vowels (k8s.io/apimachinery/pkg/util/rand).
_MADE_UP = "[bcdfghjklmnpqrstvwxz2456789]"
#: The endings of the names of pods that a Deployment made, or a DaemonSet.
_ENDING = f"(-{_MADE_UP}+)?-{_MADE_UP}{{5}}"
#: How Prometheus tells that it could read a target: its `up` is 1, else 0.
_READ = 1.0

#: The pages of one replica of the gateway, and the tries to read a replica (1 or 0), with their times.
_Pages = list[tuple[float, Rows]]
_Tries = list[tuple[float, float]]
#: One pod: its role, and its readings with their times.
_Pod = tuple[Role, list[tuple[float, Reading]]]


class PrometheusSource:
    """Reads the samples of each followed rollout, with the times at which they were scraped.

    A range vector in an instant query gives samples as they were scraped; a range query would
    move them to a grid, so that a request might seem to belong to another weight.
    Samples are kept, so that the next read is short; a starting judge reads all of them again
    and then knows the same as the other replicas.
    """

    def __init__(self, url: str, clock: Callable[[], float], timeout_seconds: float = 2.0) -> None:
        """`clock` gives Unix seconds."""
        self._url, self._clock, self._timeout = url.rstrip("/"), clock, timeout_seconds
        self._following = Following(clock, Series, self._update)

    def series(self, subject: Subject) -> Series:
        """The samples read so far; for a subject that is not followed, none and a problem."""
        return self._following.get(subject) or Series(problems=("nothing has been read yet",))

    async def follow(self, subject: Subject, rollout: Rollout) -> None:
        """Reads a subject from now on; all existing samples have been read when this returns."""
        await self._following.follow(subject, rollout)

    async def refresh(self) -> None:
        """Reads new samples; an unreachable server becomes a problem of the series."""
        await self._following.refresh()

    async def _update(self, subject: Subject, followed: Followed[Series]) -> None:
        series, now = followed.series, self._clock()
        try:
            known_until = series.weight_times[-1] - OVERLAP_SECONDS if series.weight_times else 0.0
            seconds = min(followed.range_seconds, now - known_until)
            for at, weight in await asyncio.to_thread(self._weights, subject, now, seconds):
                series.add_weight(at, weight)
            read_from = max(series.needed_from(now), followed.read_until - OVERLAP_SECONDS)
            pods = await asyncio.to_thread(self._pods, subject, now, now - read_from)
            gateways = await asyncio.to_thread(self._gateways, subject, now, now - read_from)
            like = {_pods_like(labels) for labels, _ in gateways}
            doors = await asyncio.to_thread(self._tried, like, now, now - read_from)
            there = await asyncio.to_thread(self._tried, [_pods_of(subject)], now, now - read_from)
        except SourceError as error:
            series.problems = (str(error),)
            return
        _add_readings(series, pods)
        _add_there(series, subject.service, there)
        _add_gateways(series, gateways, doors)
        followed.read_until, series.problems = now, ()
        series.forget_before(series.needed_from(now))

    def _weights(self, subject: Subject, now: float, seconds: float) -> list[tuple[float, float]]:
        """The canary's weights with their times.

        Flagger names the canary's Deployment in the label `workload`; a scraper may have renamed `namespace`.
        """
        lines = self._matrix(f'{telemetry.CANARY_WEIGHT}{{workload="{subject.service}"}}', now, seconds)
        mine = [line for line in lines if _namespace_of(line["metric"]) in (subject.namespace, "")]
        return sorted((float(at), float(value)) for line in mine for at, value in line["values"])

    def _pods(self, subject: Subject, now: float, seconds: float) -> dict[str, _Pod]:
        place = f',namespace="{subject.namespace}"' if subject.namespace else ""
        lines = [
            line
            for names, span in ((_METRICS, seconds), (_RECENT_METRICS, min(seconds, _RECENT_SECONDS)))
            for line in self._matrix(f'{{__name__=~"{"|".join(names)}",service="{subject.service}"{place}}}', now, span)
        ]
        found: dict[str, _Pod] = {}
        for (pod, instance), pages in _by_replica(lines).items():
            role = pod_role(pod, subject.service)
            readings = [(at, read_replica(pages[at], subject.service, at)) for at in sorted(pages)]
            if role is not None:
                found[_name({"pod": pod, "instance": instance})] = (
                    role,
                    [(at, reading) for at, reading in readings if reading is not None],
                )
        return found

    def _gateways(self, subject: Subject, now: float, seconds: float) -> list[tuple[dict[str, str], _Pages]]:
        """What each replica of the gateway told of the service, with its labels."""
        names = f"{telemetry.GATEWAY_REQUESTS}|{telemetry.GATEWAY_ROUTED}"
        selector = f'{{__name__=~"{names}",service=~"{backends(*subject)}|{routes(*subject)}"}}'
        lines = self._matrix(selector, now, seconds)
        labels = {_name(line["metric"]): line["metric"] for line in lines}
        found = []
        for (pod, instance), by_time in _by_replica(lines).items():
            rows = [(at, page_row(page, *subject)) for at, page in sorted(by_time.items())]
            told = [(at, row) for at, row in rows if row is not None]
            found.append((labels[_name({"pod": pod, "instance": instance})], told))
        return found

    def _tried(self, selectors: Iterable[str], now: float, seconds: float) -> list[tuple[dict[str, str], _Tries]]:
        """When Prometheus tried to read each replica, and whether it could: it tries as long as the pod is there."""
        lines = [line for selector in selectors for line in self._matrix(f"up{{{selector}}}", now, seconds)]
        return [(line["metric"], [(float(at), float(up)) for at, up in line["values"]]) for line in lines]

    def _matrix(self, selector: str, now: float, seconds: float) -> list[dict[str, Any]]:
        return read_matrix(self._url, selector, now, seconds, self._timeout)


def pod_role(pod: str, service: str) -> Role | None:
    """The role of a pod by its name: Flagger's Deployment SERVICE-primary is the champion's, SERVICE the canary's.

    None for other pods, such as a shadow's, whose counts belong to neither side.
    """
    name, ending = re.escape(service), f"-{_MADE_UP}+-{_MADE_UP}{{5}}"
    if re.fullmatch(f"{name}-primary{ending}", pod):
        return "champion"
    return "canary" if re.fullmatch(name + ending, pod) else None


def _pods_of(subject: Subject) -> str:
    """A selector of all pods of a service."""
    place = f',namespace="{subject.namespace}"' if subject.namespace else ""
    return f'pod=~"{subject.service}-.+"{place}'


def _pods_like(labels: dict[str, str]) -> str:
    """A selector of the pods that were made alike: those of the same Deployment."""
    pod, place = labels.get("pod", ""), labels.get("namespace", "")
    made = re.fullmatch(f"(.+?){_ENDING}", pod)
    return f'pod=~"{made[1]}{_ENDING}",namespace="{place}"' if made else f'instance="{labels.get("instance", "")}"'


def _name(labels: dict[str, str]) -> str:
    """The name of a replica: the pod may keep its name and get another address."""
    return f"{labels.get('pod', '')} {labels.get('instance', '')}"


def _namespace_of(labels: dict[str, str]) -> str:
    return labels.get("exported_namespace", labels.get("namespace", ""))


def _by_replica(matrix: Iterable[dict[str, Any]]) -> dict[tuple[str, str], dict[float, list[MetricSample]]]:
    """For each (pod, instance), the samples scraped at each time."""
    pages: dict[tuple[str, str], dict[float, list[MetricSample]]] = {}
    for line in matrix:
        labels = line["metric"]
        page = pages.setdefault((labels.get("pod", ""), labels.get("instance", "")), {})
        for at, value in line["values"]:
            page.setdefault(float(at), []).append(MetricSample(labels.get("__name__", ""), labels, float(value)))
    return pages


def _add_readings(series: Series, pods: dict[str, _Pod]) -> None:
    """Adds the readings that are newer than the known ones."""
    for name, (role, readings) in pods.items():
        replica = series.replicas.setdefault(name, Replica(role))
        for at, reading in readings:
            if not replica.times or at > replica.times[-1]:
                replica.add(at, reading)
        if not replica.times:
            del series.replicas[name]


def _add_there(series: Series, service: str, there: list[tuple[dict[str, str], _Tries]]) -> None:
    """Adds which replicas are there, whether or not they can be read."""
    for labels, tries in there:
        role = pod_role(labels.get("pod", ""), service)
        if role is not None:
            series.there(_name(labels), role, tries[0][0], tries[-1][0])


def _add_gateways(
    series: Series, gateways: list[tuple[dict[str, str], _Pages]], doors: list[tuple[dict[str, str], _Tries]]
) -> None:
    """Adds what the gateway's replicas told, and which of them are there."""
    for labels, pages in gateways:
        for at, row in pages:
            series.add_gateway(_name(labels), at, row)
    for labels, tries in doors:
        for at, up in tries:
            series.gateway_is_there(_name(labels), at, read=up == _READ)
