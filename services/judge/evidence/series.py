"""The samples of a service over time: what each replica counted, and the canary's weight.

Everything else is derived from them, so a restarted judge that reads them again continues where it was. A rollout
begins when the canary's weight last rose from 0.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.judge.evidence.counts import IN_FLIGHT, REQUESTS_AT, stacked
from services.judge.evidence.exposition import Reading
from services.judge.evidence.slots import Slotted
from services.telemetry import ARRIVED_SECONDS

Role = Literal["champion", "canary"]
#: An array of numbers; in two dimensions, one `Counts.vector` for each sample.
Rows = NDArray[np.float64]

#: What a page tells by slots is kept this long; arrivals are taken over at once, and labels are read from the newest.
_SLOTTED_SECONDS = 200.0
#: Samples are kept from this long before a rollout until this long after it.
_BEFORE_SECONDS, _KEPT_SECONDS = 60.0, 600.0
#: What was missing in so many scrapes was away: a single one may fail.
_MISSED = 3


class Sampled:
    """Samples in order of time (Unix seconds): at each of `times` a row of counters in `rows`."""

    times: list[float]
    rows: list[Rows]
    #: The time until which it is known to be there, although it may not have been read.
    there_until: float
    _stacked: tuple[Rows, NDArray[np.bool_]] | None

    @property
    def table(self) -> Rows:
        """The counters of all samples; (samples, counters)."""
        return self._stack()[0]

    @property
    def restarts(self) -> NDArray[np.bool_]:
        """Whether the counters began anew between each sample and the one before it; (samples,), the first False."""
        return self._stack()[1]

    @property
    def increases(self) -> Rows:
        """What was counted between neighbouring samples; (samples - 1, counters). A new process counts from zero."""
        return np.where(self.restarts[1:, None], self.table[1:], np.diff(self.table, axis=0))

    @property
    def away_seconds(self) -> float:
        """After so many seconds without a sample it was away: `_MISSED` times the usual time between two samples.

        Infinite with one sample.
        """
        return _MISSED * float(np.median(np.diff(self.times))) if len(self.times) > 1 else math.inf

    def was_away(self) -> NDArray[np.bool_]:
        """Whether it was away between each sample and the one before it; (samples - 1,)."""
        late = np.diff(self.times) / max(self.away_seconds / _MISSED, 1e-9)
        away: NDArray[np.bool_] = np.round(late) >= _MISSED  # no scrape is quite on time
        return away

    def _stack(self) -> tuple[Rows, NDArray[np.bool_]]:
        if self._stacked is None:
            table = stacked(self.rows)
            restarts = np.concatenate([[False], (table[1:] < table[:-1]).any(axis=1)])
            self._stacked = table, restarts
        return self._stacked

    def _append(self, at: float, row: Rows) -> None:
        self.times.append(at)
        self.rows.append(row)
        self._stacked = None

    def _forget(self, at: float) -> int:
        """Drops samples before a time, except the last one, from which counting starts; says how many."""
        keep = max(bisect_left(self.times, at) - 1, 0)
        del self.times[:keep], self.rows[:keep]
        self._stacked = None if keep else self._stacked
        return keep


@dataclass
class Replica(Sampled):
    """One replica's samples: a `Counts.vector` for each.

    `arrived` are the requests that reached it, by slot of time; of a slot that is missing there it is not known.
    `seen_whole` means that none had reached it before the first of these slots. While it is there and not read it may
    get requests, and nobody knows how many.
    """

    role: Role
    times: list[float] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    arrived: dict[int, float] = field(default_factory=dict)
    seen_whole: bool = False
    there_until: float = -math.inf
    _counted_from: float = -math.inf
    _stacked: tuple[Rows, NDArray[np.bool_]] | None = None

    def add(self, at: float, reading: Reading) -> None:
        """Adds the reading of a time."""
        self._append(at, reading.counts.vector())
        self.readings.append(reading)
        if reading.slotted is not None:
            self._take_arrivals(at, reading.slotted)
        self._forget_slots(at)

    def _take_arrivals(self, at: float, slotted: Slotted) -> None:
        """Keeps the requests of every slot that is over.

        A process that was started anew has not counted what came before: such slots stay as they were known.
        """
        if len(self.rows) == 1:
            self.seen_whole = bool(self.rows[0][REQUESTS_AT] <= sum(slotted.arrived.values()) + IN_FLIGHT)
        elif np.less(*stacked(self.rows[:-3:-1])).any():
            self._counted_from = at
        for slot, count in slotted.arrived.items():
            if slot * ARRIVED_SECONDS >= self._counted_from and (slot + 1) * ARRIVED_SECONDS <= at:
                self.arrived[slot] = count

    def forget_before(self, at: float) -> None:
        """Drops what was sampled, or over, before a time, except the last sample, from which counting starts."""
        del self.readings[: self._forget(at)]
        for slot in [slot for slot in self.arrived if (slot + 1) * ARRIVED_SECONDS < at]:
            del self.arrived[slot]

    def _forget_slots(self, at: float) -> None:
        for place in range(len(self.readings) - 2, -1, -1):
            if self.readings[place].slotted is None:
                return
            if self.times[place] < at - _SLOTTED_SECONDS:
                self.readings[place] = replace(self.readings[place], slotted=None)


@dataclass
class GatewayReplica(Sampled):
    """The samples of one replica of the gateway, as `gateway_page` reads them."""

    times: list[float] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    there_until: float = -math.inf
    _stacked: tuple[Rows, NDArray[np.bool_]] | None = None

    def add(self, at: float, row: Rows) -> None:
        """Adds the page of a time; a time that is known is ignored."""
        if not self.times or at > self.times[-1]:
            self._append(at, row)

    @property
    def increases(self) -> Rows:
        """What was counted between neighbouring samples; it forgets the counters of a backend that it knows no more."""
        return np.where(self.table[1:] < self.table[:-1], self.table[1:], np.diff(self.table, axis=0))

    def forget_before(self, at: float) -> None:
        """Drops samples before a time, except the last one, from which counting starts."""
        self._forget(at)


@dataclass
class Unread:
    """Something that is there and cannot be read, from one time to another (Unix seconds).

    `role` is that of a version's replica; None for one of the gateway.
    """

    role: Role | None
    since: float
    until: float


@dataclass
class Series:
    """All samples of one service; the canary's weight is in percent, times are Unix seconds.

    `gateway` holds the gateway's replicas by name; in `gateway_there` each has been unread since it was read last, or,
    if it never was, since it is there. `unread` are the versions' replicas that could never be read.
    """

    weight_times: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    replicas: dict[str, Replica] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    gateway: dict[str, GatewayReplica] = field(default_factory=dict)
    gateway_there: dict[str, Unread] = field(default_factory=dict)
    unread: dict[str, Unread] = field(default_factory=dict)

    def add_weight(self, at: float, weight: float) -> None:
        """Adds the weight of a time; a time that is not later than the last is ignored."""
        if not self.weight_times or at > self.weight_times[-1]:
            self.weight_times.append(at)
            self.weights.append(weight)

    def add_gateway(self, name: str, at: float, page: Rows) -> None:
        """Adds what a replica of the gateway told at a time."""
        self.gateway.setdefault(name, GatewayReplica()).add(at, page)

    def there(self, name: str, role: Role, since: float, until: float) -> None:
        """Remembers that a replica is there, whether or not it can be read."""
        if name in self.replicas:
            self.replicas[name].there_until = until
            self.unread.pop(name, None)
        else:
            self.unread.setdefault(name, Unread(role, since, until)).until = until

    def gateway_is_there(self, name: str, at: float, *, read: bool) -> None:
        """Remembers that a replica of the gateway is there at a time, and whether it could be read."""
        known = self.gateway_there.setdefault(name, Unread(None, at, at))
        known.since, known.until = max(known.since, at) if read else known.since, max(known.until, at)

    def began(self) -> float | None:
        """The time at which the canary first got traffic in this rollout; None while it has none."""
        return self.weight_times[self._first()] if self.weights and self.weights[-1] > 0 else None

    def _first(self) -> int:
        """The index at which the weight last rose from 0, in this or the previous rollout; else `len(weights)`."""
        last = self._with_traffic()
        if last == 0:
            return len(self.weights)
        while last > 0 and self.weights[last - 1] > 0:
            last -= 1
        return last

    def endings(self, seconds: float) -> Iterator[Series]:
        """The same samples as they stood in the last `seconds` in which the canary had traffic, the newest first.

        They answer why the canary has none now. The newest alone does not: samples go on coming between the
        judge's last decision and the end of the traffic. Yields at least once: all samples, where there was none.
        """
        last = self._with_traffic() or len(self.weights)
        yield self._up_to(last)
        for keep in range(last - 1, 0, -1):
            if self.weights[keep - 1] <= 0 or self.weight_times[keep - 1] < self.weight_times[last - 1] - seconds:
                return
            yield self._up_to(keep)

    def seen_gone(self) -> float | None:
        """The time of the first sample in which the traffic of a rollout was gone; None if it never was."""
        last = self._with_traffic()
        return self.weight_times[last] if 0 < last < len(self.weights) else None

    def _with_traffic(self) -> int:
        """The number of weights up to the last with which the canary had traffic; 0 if it never had."""
        last = len(self.weights)
        while last > 0 and self.weights[last - 1] <= 0:
            last -= 1
        return last

    def _up_to(self, keep: int) -> Series:
        return replace(self, weight_times=self.weight_times[:keep], weights=self.weights[:keep])

    def weights_throughout(self, starts: Rows, ends: Rows) -> Rows:
        """The weight of each span from start to end, if every reading from before its start to after its end has it.

        NaN for other spans, and where the weight is 0 or 100.
        """
        times, weights = np.array(self.weight_times), np.array(self.weights)
        first, last = np.searchsorted(times, starts, side="right") - 1, np.searchsorted(times, ends, side="left")
        known = (first >= 0) & (last < len(times))
        first, last = np.where(known, first, 0), np.where(known, last, 0)
        span = np.concatenate([[0], np.cumsum(np.diff(weights) != 0)])
        weight = weights[first]
        steady = known & (span[first] == span[last]) & (weight > 0) & (weight < 100)
        throughout: Rows = np.where(steady, weight, np.nan)
        return throughout

    def since_change(self, at: Rows) -> Rows:
        """Seconds from the first reading of the weight that was set at each time, shape of `at`; 0 before any."""
        times, weights = np.array(self.weight_times), np.array(self.weights)
        changes = times[np.concatenate([[True], np.diff(weights) != 0])] if len(times) else np.zeros(1)
        place = np.searchsorted(changes, at, side="right") - 1
        since: Rows = np.where(place >= 0, at - changes[np.maximum(place, 0)], 0.0)
        return since

    def side(self, role: Role) -> list[tuple[str, Replica]]:
        """The replicas of a side that serve the most recently read version, with their names."""
        found = [(name, one) for name, one in self.replicas.items() if one.role == role and one.readings]
        if not found:
            return []
        version = max((one for _, one in found), key=lambda one: one.times[-1]).readings[-1].version
        return [(name, one) for name, one in found if one.readings[-1].version == version]

    def version(self, role: Role) -> str:
        """The version of a side in its last reading; empty without a reading."""
        return next((replica.readings[-1].version for _, replica in self.side(role)), "")

    def needed_from(self, now: float) -> float:
        """The time from which samples are needed: shortly before the current rollout or the one that just ended."""
        first = self._first()
        over = not self.weights or first == len(self.weights) or self._ended_before(now - _KEPT_SECONDS)
        return (now if over else self.weight_times[first]) - _BEFORE_SECONDS

    def _ended_before(self, at: float) -> bool:
        last = max(self._with_traffic() - 1, 0)
        return self.weights[-1] <= 0 and self.weight_times[last] < at

    def forget_before(self, at: float) -> None:
        """Drops samples before a time, except the last one, from which counting starts."""
        keep = max(bisect_left(self.weight_times, at) - 1, 0)
        del self.weight_times[:keep], self.weights[:keep]
        for name, replica in list(self.replicas.items()):
            replica.forget_before(at)
            if replica.times and replica.times[-1] < at:
                del self.replicas[name]
        for name, page in list(self.gateway.items()):
            page.forget_before(at)
            if page.times[-1] < at:
                del self.gateway[name]
        for unread in (self.unread, self.gateway_there):
            for name in [name for name, one in unread.items() if one.until < at]:
                del unread[name]
