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
from services.judge.evidence.gateway import backends, gave_up
from services.judge.evidence.matrix import read_matrix
from services.judge.evidence.series import Replica, Role, Series
from services.judge.webhook import Subject

_METRICS = (
    telemetry.REQUESTS, telemetry.ERRORS, telemetry.SLOW, telemetry.SLOWER, telemetry.SCORES, telemetry.LABELS,
    telemetry.MODEL_INFO, telemetry.HOLDOUT_SHIFT, telemetry.HOLDOUT_SHIFT_ERROR, telemetry.ARRIVED,
    telemetry.INPUTS, telemetry.INPUTS_UNLIKE, telemetry.INPUTS_DISTANCE, *EXPECTED,
)  # fmt: skip
#: What is read from the last pages alone: they hold the labels of all answers since the rollout began.
_RECENT_METRICS = (telemetry.LABELLED, telemetry.REMEMBERED, telemetry.LABEL_SLOT_SECONDS)
_RECENT_SECONDS = 180.0
#: The alphabet of Kubernetes' generated names, without vowels (k8s.io/apimachinery/pkg/util/rand).
_MADE_UP = "[bcdfghjklmnpqrstvwxz2456789]"

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
            there = await asyncio.to_thread(self._there, subject, now, now - read_from)
        except SourceError as error:
            series.problems = (str(error),)
            return
        _add_readings(series, pods)
        for name in series.replicas.keys() & there.keys():
            series.replicas[name].there_until = there[name]
        for name, at, given_up in gateways:
            series.add_gateway(name, at, given_up)
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

    def _gateways(self, subject: Subject, now: float, seconds: float) -> list[tuple[str, float, dict[Role, float]]]:
        """What each replica of the gateway had answered itself: its name, the time, and the number by side."""
        selector = f'{telemetry.GATEWAY_REQUESTS}{{service=~"{backends(*subject)}"}}'
        pages = _by_replica(self._matrix(selector, now, seconds))
        told = (
            (f"{pod} {instance}", at, gave_up(page, *subject))
            for (pod, instance), by_time in pages.items()
            for at, page in sorted(by_time.items())
        )
        return [(name, at, given_up) for name, at, given_up in told if given_up is not None]

    def _there(self, subject: Subject, now: float, seconds: float) -> dict[str, float]:
        """When Prometheus last tried to read each replica: it tries as long as the pod is there."""
        place = f',namespace="{subject.namespace}"' if subject.namespace else ""
        lines = self._matrix(f'up{{pod=~"{subject.service}-.+"{place}}}', now, seconds)
        return {_name(line["metric"]): float(line["values"][-1][0]) for line in lines}

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
