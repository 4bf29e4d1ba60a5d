"""Replicas with steady traffic, and what their pages tell by slots of time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from services import telemetry
from services.judge.evidence.counts import LOSSES
from services.judge.evidence.exposition import Reading
from services.judge.evidence.series import Replica, Role, Rows, Series
from services.judge.evidence.slots import REMEMBERED_AT, Row, Slotted
from tests.services.judge.builders import HOLDOUT, counts

#: Seconds of the slots in which labels are told.
LABEL_SECONDS = 10


@dataclass(frozen=True)
class Told:
    """A replica that answers `rate` requests a second from `since` on, without errors.

    Half of the answers turn out to be right, after the first of `delays` in seconds, and half wrong, after the second.
    `errors` is the share of requests that fail, and `lost` those of its requests that it counts nowhere.
    """

    role: Role
    rate: float
    since: float = 0.0
    delays: tuple[float, float] = (0.0, 0.0)
    errors: float = 0.0
    tells: bool = True

    def at(self, time: float) -> Reading:
        """Its page at a time."""
        requests = self.rate * max(time - self.since, 0.0)
        champion = "" if self.role == "champion" else "sha256:champion"
        slotted = Slotted(LABEL_SECONDS, self._labels(time), self._arrived(time)) if self.tells else Slotted(0, {}, {})
        return Reading(counts(requests, errors=self.errors * requests), self.role, f"sha256:{self.role}", champion,
                       HOLDOUT, slotted)  # fmt: skip

    def _arrived(self, time: float) -> dict[int, float]:
        seconds, newest = telemetry.ARRIVED_SECONDS, int(time // telemetry.ARRIVED_SECONDS)
        return {slot: self._answered(slot * seconds, seconds, time) for slot in range(newest - 28, newest + 1)}

    def _labels(self, time: float) -> dict[int, Row]:
        return {slot: row for slot in range(int(time // LABEL_SECONDS) + 1) if (row := self._row(slot, time)).any()}

    def _row(self, slot: int, time: float) -> Row:
        row, start = np.zeros(LOSSES + 1), slot * LABEL_SECONDS
        row[REMEMBERED_AT] = self._answered(start, LABEL_SECONDS, time)
        right, wrong = (self._answered(start, LABEL_SECONDS, time - delay) / 2 for delay in self.delays)
        row[0], row[LOSSES - 1] = right, wrong
        return row

    def _answered(self, start: float, seconds: float, until: float) -> float:
        """The requests between start and start + seconds, and not after `until`."""
        return self.rate * max(min(start + seconds, until) - max(start, self.since), 0.0)


def replica(told: Told, times: Iterable[float]) -> Replica:
    """The samples of a replica."""
    known = Replica(told.role)
    for at in times:
        known.add(at, told.at(at))
    return known


def weights(changes: dict[float, float], end: int) -> Series:
    """A service whose weight is read each second; `changes` has the weight from each second on."""
    found = Series()
    for at in range(end + 1):
        found.add_weight(at, max(changes.items(), key=lambda change: (change[0] <= at, change[0]))[1])
    return found


def scraped(series: Series, told: dict[str, Told], times: Iterable[float]) -> Series:
    """Adds the samples of replicas, by name, all at the same times."""
    times = list(times)
    for name, one in told.items():
        series.replicas[name] = replica(one, times)
    return series


def gateway_row(champion: tuple[float, float, float], canary: tuple[float, float, float]) -> Rows:
    """A gateway's page: for each side the requests passed on to it, of these the 500s, and the gateway's own answers.

    It had somebody to pass each request on to.
    """
    pairs = [number for both in zip(champion, canary, strict=True) for number in both]
    return np.array([*pairs, sum(pairs[2:])], dtype=np.float64)
