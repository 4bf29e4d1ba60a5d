"""Asks a Prometheus server for the raw samples of a rollout: what the judge does in a cluster."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from services import telemetry
from services.judge.exposition import MetricSample, read_replica, read_weight
from services.judge.series import Replica, Series
from services.judge.sources import SourceError, fetch

_METRICS = (
    telemetry.REQUESTS, telemetry.ERRORS, telemetry.SLOW, telemetry.SCORES, telemetry.LABELS,
    telemetry.MODEL_INFO, telemetry.HOLDOUT_SHIFT, telemetry.HOLDOUT_SHIFT_ERROR,
)  # fmt: skip


class PrometheusSource:
    """Reads every sample of the last `range_seconds`, with the time at which it was scraped.

    A range vector in an instant query gives samples as they were scraped; a range query would
    move them to a grid, and a request might seem to have been counted under another weight.
    Nothing is kept between two readings, so a judge that restarts knows what it knew before.
    """

    def __init__(
        self,
        url: str,
        services: tuple[str, ...],
        clock: Callable[[], float],
        range_seconds: float,
        champion_pods: str = r"-primary-",
        timeout_seconds: float = 10.0,
    ) -> None:
        """`champion_pods` is a regular expression found in the names of the champion's pods, and of no others."""
        self._url, self._services, self._clock = url.rstrip("/"), services, clock
        self._range_seconds, self._timeout = range_seconds, timeout_seconds
        self._champion_pods = re.compile(champion_pods)
        self._series = {service: Series() for service in services}

    def series(self, service: str) -> Series:
        """The samples that were read last."""
        return self._series[service]

    async def refresh(self) -> None:
        """Reads the samples of every service; a server that cannot be asked is a problem of the series."""
        for service in self._services:
            try:
                self._series[service] = await asyncio.to_thread(self._read, service)
            except SourceError as error:
                self._series[service].problems = (str(error),)

    def _read(self, service: str) -> Series:
        series = Series()
        names = "|".join(_METRICS)
        for name, pages in _by_replica(self._matrix(f'{{__name__=~"{names}",service="{service}"}}')).items():
            champion = self._champion_pods.search(name[0])
            replica = series.replicas[name[1]] = Replica("champion" if champion else "canary")
            for at in sorted(pages):
                reading = read_replica(pages[at], service)
                if reading is not None:
                    replica.add(at, reading)
        for at, samples in sorted(_by_time(self._matrix(telemetry.CANARY_WEIGHT)).items()):
            weight = read_weight(samples, service)
            if weight is not None:
                series.add_weight(at, weight)
        return series

    def _matrix(self, selector: str) -> list[dict[str, Any]]:
        """The series of a selector, each with its labels and its values by time."""
        query = urlencode({"query": f"{selector}[{self._range_seconds:.0f}s]", "time": f"{self._clock():.3f}"})
        text = fetch(f"{self._url}/api/v1/query?{query}", self._timeout)
        try:
            document = json.loads(text)
            if document["status"] != "success":
                raise SourceError(f"{self._url} could not answer: {document.get('error', document['status'])}")
            return list(document["data"]["result"])
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{self._url} answered something else than Prometheus does: {error}") from error


def _by_replica(matrix: Iterable[dict[str, Any]]) -> dict[tuple[str, str], dict[float, list[MetricSample]]]:
    """For each (pod, instance), what was scraped at each time."""
    pages: dict[tuple[str, str], dict[float, list[MetricSample]]] = {}
    for line in matrix:
        labels = line["metric"]
        page = pages.setdefault((labels.get("pod", ""), labels.get("instance", "")), {})
        _add(page, line)
    return pages


def _by_time(matrix: Iterable[dict[str, Any]]) -> dict[float, list[MetricSample]]:
    page: dict[float, list[MetricSample]] = {}
    for line in matrix:
        _add(page, line)
    return page


def _add(page: dict[float, list[MetricSample]], line: dict[str, Any]) -> None:
    labels = line["metric"]
    for at, value in line["values"]:
        page.setdefault(float(at), []).append(MetricSample(labels.get("__name__", ""), labels, float(value)))
