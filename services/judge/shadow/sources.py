"""The sources of what champions count about candidates: replicas that are scraped here, or a Prometheus server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from components.spec.contract import Rollout
from services.judge.errors import SourceError
from services.judge.evidence.exposition import MetricSample, parse_page
from services.judge.evidence.following import OVERLAP_SECONDS, Followed, Following
from services.judge.evidence.matrix import read_matrix
from services.judge.evidence.prometheus import pod_role
from services.judge.evidence.series import Role
from services.judge.evidence.sources import DiscoveredTarget, fetch, read_targets
from services.judge.shadow.reading import METRICS
from services.judge.shadow.series import InShadow, ShadowSeries
from services.judge.webhook import Subject

_ROLES: Final[tuple[Role, ...]] = ("canary", "champion")


class Shadows(Protocol):
    """Gives what is known of candidates in the shadow."""

    async def follow(self, subject: Subject, rollout: Rollout) -> None:
        """Begins to read a subject; returns after the first read."""

    async def refresh(self) -> None:
        """Reads new samples."""

    def now(self, subject: Subject) -> InShadow:
        """What is known of a subject's candidate."""


class NoShadows:
    """No source: nothing is known of any candidate, so none passes."""

    async def follow(self, subject: Subject, rollout: Rollout) -> None:
        """There is nothing to read."""

    async def refresh(self) -> None:
        """There is nothing to read."""

    def now(self, subject: Subject) -> InShadow:
        """The reason why nothing is known."""
        return InShadow(problems=(f"nothing reads the counts about {subject.service}'s candidate",))


class FileShadows:
    """Scrapes the targets of a file_sd file, of those services that are asked about."""

    def __init__(self, path: Path, clock: Callable[[], float], timeout_seconds: float = 2.0) -> None:
        """`clock` gives Unix seconds."""
        self._path, self._clock, self._timeout = path, clock, timeout_seconds
        self._series: dict[Subject, ShadowSeries] = {}

    async def follow(self, subject: Subject, rollout: Rollout) -> None:  # noqa: ARG002 -- only Prometheus looks back
        """Begins to read a subject; returns after the first read."""
        if subject not in self._series:
            self._series[subject] = ShadowSeries()
            await self.refresh()

    async def refresh(self) -> None:
        """Scrapes every target once, all at the same time; the candidate's first, for it begins a rollout."""
        if not self._series:
            return
        try:
            targets = await asyncio.to_thread(read_targets, self._path)
        except SourceError as error:
            for series in self._series.values():
                series.problems = (str(error),)
            return
        for subject, series in self._series.items():
            series.problems = ()
            await self._read(series, [target for target in targets if target.service == subject.service])

    async def _read(self, series: ShadowSeries, targets: list[DiscoveredTarget]) -> None:
        pages = await asyncio.gather(*(self._scrape(target) for target in targets))
        if not any(target.role == "canary" for target in targets):
            series.gone()
        at = self._clock()
        for role in _ROLES:
            for target, page in zip(targets, pages, strict=True):
                for sample in page if target.role == role else ():
                    series.add(at, target.address, role, sample)

    def now(self, subject: Subject) -> InShadow:
        """What is known of a subject's candidate."""
        return self._series.get(subject, ShadowSeries()).now(self._clock(), subject.service)

    async def _scrape(self, target: DiscoveredTarget) -> list[MetricSample]:
        """The samples of a target's page that matter here; none if it does not answer."""
        try:
            page = parse_page(await asyncio.to_thread(fetch, f"http://{target.address}/metrics", self._timeout))
        except (SourceError, ValueError):
            return []
        return [sample for sample in page if sample.name in METRICS]


class PrometheusShadows:
    """Reads the samples of each followed candidate, with the times at which they were scraped."""

    def __init__(self, url: str, clock: Callable[[], float], timeout_seconds: float = 2.0) -> None:
        """`clock` gives Unix seconds."""
        self._url, self._clock, self._timeout = url.rstrip("/"), clock, timeout_seconds
        self._following = Following(clock, ShadowSeries, self._update)

    async def follow(self, subject: Subject, rollout: Rollout) -> None:
        """Begins to read a subject; returns after the first read."""
        await self._following.follow(subject, rollout)

    async def refresh(self) -> None:
        """Reads what is new of every subject that was asked about lately."""
        await self._following.refresh()

    def now(self, subject: Subject) -> InShadow:
        """What is known of a subject's candidate."""
        series = self._following.get(subject)
        if series is None:
            return InShadow(problems=("nothing has been read yet",))
        return series.now(self._clock(), subject.service)

    async def _update(self, subject: Subject, followed: Followed[ShadowSeries]) -> None:
        now = self._clock()
        seconds = min(followed.range_seconds, now - followed.read_until + OVERLAP_SECONDS)
        try:
            lines = await asyncio.to_thread(self._lines, subject, now, seconds)
        except SourceError as error:
            followed.series.problems = (str(error),)
            return
        for at, role, pod, sample in _in_order(lines, subject.service):
            followed.series.add(at, pod, role, sample)
        followed.read_until, followed.series.problems = now, ()

    def _lines(self, subject: Subject, now: float, seconds: float) -> list[dict[str, Any]]:
        place = f',namespace="{subject.namespace}"' if subject.namespace else ""
        selector = f'{{__name__=~"{"|".join(METRICS)}",service="{subject.service}"{place}}}'
        return read_matrix(self._url, selector, now, seconds, self._timeout)


def _in_order(lines: list[dict[str, Any]], service: str) -> list[tuple[float, Role, str, MetricSample]]:
    """Every sample of the two sides by time; at the same time the candidate's first, for it begins a rollout."""
    found: list[tuple[float, Role, str, MetricSample]] = []
    for line in lines:
        labels: dict[str, str] = line["metric"]
        role = pod_role(labels.get("pod", ""), service)
        if role is not None:
            pod = f"{labels['pod']} {labels.get('instance', '')}"
            samples = (
                (float(at), MetricSample(labels.get("__name__", ""), labels, float(value)))
                for at, value in line["values"]
            )
            found += [(at, role, pod, sample) for at, sample in samples]
    return sorted(found, key=lambda each: (each[0], each[1] != "canary"))
