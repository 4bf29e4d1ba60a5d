"""The sources of samples: their protocol, and one that scrapes replicas itself."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from components.spec.contract import Rollout
from services.judge.errors import SourceError
from services.judge.evidence.exposition import MetricSample, parse_page, read_replica, read_weight
from services.judge.evidence.gateway_page import page_row
from services.judge.evidence.series import Replica, Role, Series
from services.judge.webhook import Subject

#: The role of a target that is the gateway itself.
GATEWAY_ROLE = "gateway"


class Source(Protocol):
    """Gives the samples of a service."""

    async def follow(self, subject: Subject, rollout: Rollout) -> None:
        """Begins to read a subject; returns after the first read."""

    async def refresh(self) -> None:
        """Reads new samples."""

    def series(self, subject: Subject) -> Series:
        """All samples of a subject since before its rollout."""


@dataclass(frozen=True)
class DiscoveredTarget:
    """One address to scrape, with its labels from the discovery file."""

    address: str
    service: str
    role: str


def read_targets(path: Path) -> list[DiscoveredTarget]:
    """The targets of a Prometheus file_sd file.

    Raises:
        SourceError: the file does not exist or has another format.
    """
    try:
        groups = json.loads(path.read_text(encoding="utf-8"))
        return [
            DiscoveredTarget(
                address, group.get("labels", {}).get("service", ""), group.get("labels", {}).get("role", "")
            )
            for group in groups
            for address in group["targets"]
        ]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SourceError(f"{path} is not a file of targets as Prometheus's file_sd writes it: {error}") from error


def fetch(url: str, timeout_seconds: float) -> str:
    """The text at an http or https address.

    Raises:
        SourceError: there is no answer in time, or its status is not 200.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=timeout_seconds)
    try:
        connection.request("GET", parts.path + ("?" + parts.query if parts.query else ""))
        response = connection.getresponse()
        text = response.read().decode("utf-8")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SourceError(f"{url.split('?', maxsplit=1)[0]} cannot be read: {error}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise SourceError(f"{url.split('?', maxsplit=1)[0]} answered {response.status}: {text[:200]}")
    return text


class FileDiscoverySource:
    """Scrapes the targets of a file_sd file and keeps the samples in memory.

    The file is read before each scrape. The samples of a removed target are kept. The canary's weight
    comes from the first target that exports it.
    """

    def __init__(
        self, path: Path, services: tuple[str, ...], clock: Callable[[], float], timeout_seconds: float = 2.0
    ) -> None:
        """`clock` gives Unix seconds."""
        self._path, self._services, self._clock, self._timeout = path, services, clock, timeout_seconds
        self._series = {service: Series() for service in services}
        self._problem: tuple[str, ...] = ()

    async def follow(self, subject: Subject, rollout: Rollout) -> None:
        """Does nothing: every target of the file is read anyway."""

    def series(self, subject: Subject) -> Series:
        """The samples so far."""
        series = self._series[subject.service]
        series.problems = self._problem
        return series

    async def refresh(self) -> None:
        """Scrapes every target once, all at the same time."""
        try:
            targets = await asyncio.to_thread(read_targets, self._path)
        except SourceError as error:
            self._problem = (str(error),)
            return
        self._problem = ()
        pages = await asyncio.gather(*(self._scrape(target) for target in targets))
        at = self._clock()
        for service in self._services:
            self._weight(service, at, pages)
            for target, page in zip(targets, pages, strict=True):
                self._replica(service, at, target, page)
            series = self._series[service]
            series.forget_before(series.needed_from(at))

    async def _scrape(self, target: DiscoveredTarget) -> list[MetricSample]:
        """The samples of a target's page; none if it does not answer."""
        try:
            text = await asyncio.to_thread(fetch, f"http://{target.address}/metrics", self._timeout)
            return parse_page(text)
        except (SourceError, ValueError):
            return []

    def _weight(self, service: str, at: float, pages: list[list[MetricSample]]) -> None:
        weight = next((found for page in pages if (found := read_weight(page, service)) is not None), None)
        if weight is not None:
            self._series[service].add_weight(at, weight)

    def _replica(self, service: str, at: float, target: DiscoveredTarget, page: list[MetricSample]) -> None:
        """Adds what a target tells: a version's replica, or the gateway."""
        role, series = _role(target.role), self._series[service]
        if target.role == GATEWAY_ROLE:
            series.gateway_is_there(target.address, at, read=bool(page))
            if (row := page_row(page, service)) is not None:
                series.add_gateway(target.address, at, row)
        if role is None or target.service != service:
            return
        reading = read_replica(page, service, at)
        if reading is not None:
            known = series.replicas.get(target.address)
            if known is None or known.role != role or known.readings[-1].version != reading.version:
                series.replicas[target.address] = known = Replica(role)
            known.add(at, reading)
        series.there(target.address, role, at, at)


def _role(text: str) -> Role | None:
    if text == "champion":
        return "champion"
    return "canary" if text == "canary" else None
