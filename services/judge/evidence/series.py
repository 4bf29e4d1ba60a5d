"""Turns the samples of a service over time into the evidence of the current rollout.

Everything is derived from the samples, so a restarted judge that reads them again
continues where it was:

- the rollout begins when the canary's weight last rose from 0;
- counts between two samples of a replica belong to the weight that was set all that
  time. If the weight changed in between, the whole step is left out, for both sides:
  nobody can tell which part was counted under which weight, and a guess would let a
  drift of the base rate look like a difference between versions;
- a counter that fell was restarted, and has counted from zero since.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.spec.contract import SCORE_EDGES
from services.judge.evidence.counts import (
    COLUMNS,
    MOMENT_AGES,
    MOMENTS,
    SLOWER_AT,
    Counts,
    Evidence,
    HoldoutShift,
    Stratum,
)
from services.judge.evidence.exposition import Reading

Role = Literal["champion", "canary"]
#: An array of numbers; in two dimensions, one `Counts.vector` for each sample.
Rows = NDArray[np.float64]

#: A page is not a snapshot: this many requests may end while it is read.
_IN_FLIGHT = 5.0
#: Samples are kept from this long before a rollout until this long after it.
_BEFORE_SECONDS, _KEPT_SECONDS = 60.0, 600.0


@dataclass
class Replica:
    """One replica's samples, in order of time (Unix seconds)."""

    role: Role
    times: list[float] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)

    def add(self, at: float, reading: Reading) -> None:
        """Adds the reading of a time."""
        self.times.append(at)
        self.readings.append(reading)
        self.rows.append(reading.counts.vector())


@dataclass
class Series:
    """All samples of one service; the canary's weight is in percent, times are Unix seconds."""

    weight_times: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    replicas: dict[str, Replica] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def add_weight(self, at: float, weight: float) -> None:
        """Adds the weight of a time; a time that is not later than the last is ignored."""
        if not self.weight_times or at > self.weight_times[-1]:
            self.weight_times.append(at)
            self.weights.append(weight)

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
        return Series(self.weight_times[:keep], self.weights[:keep], self.replicas, self.problems)

    def version(self, role: Role) -> str:
        """The version of a side in its last reading; empty without a reading."""
        return next((replica.readings[-1].version for replica in _side(self, role)), "")

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
            keep = max(bisect_left(replica.times, at) - 1, 0)
            del replica.times[:keep], replica.readings[:keep], replica.rows[:keep]
            if replica.times and replica.times[-1] < at:
                del self.replicas[name]


def evidence_at(series: Series, now: float, stale_seconds: float, moment_seconds: float = math.inf) -> Evidence:
    """The evidence so far. A side is missing if none of its replicas was read in the last `stale_seconds`.

    `moment_seconds` is the time between two moments at which harm may have begun.
    """
    began = series.began()
    weight = series.weights[-1] if series.weights else 0.0
    canaries, champions = _side(series, "canary"), _side(series, "champion")
    problems = [
        *series.problems,
        *_weight_problems(series, now, stale_seconds),
        *_silent("canary", canaries, now, stale_seconds),
        *_silent("champion", champions, now, stale_seconds),
        *_too_many_labels("canary", canaries),
        *_too_many_labels("champion", champions),
    ]
    holdout, doubt = _holdout(canaries, champions)
    strata = () if began is None else _strata(series, began, canaries, champions, moment_seconds)
    return Evidence(
        strata=strata, weight=weight, elapsed_seconds=0.0 if began is None else now - began,
        holdout=holdout, problems=(*problems, *doubt),
    )  # fmt: skip


def _side(series: Series, role: Role) -> list[Replica]:
    """The replicas of a side that serve the most recently read version."""
    replicas = [replica for replica in series.replicas.values() if replica.role == role and replica.readings]
    if not replicas:
        return []
    version = max(replicas, key=lambda replica: replica.times[-1]).readings[-1].version
    return [replica for replica in replicas if replica.readings[-1].version == version]


def _weight_problems(series: Series, now: float, stale_seconds: float) -> list[str]:
    if not series.weights:
        return ["the canary's weight is not known: nothing exports it"]
    age = now - series.weight_times[-1]
    return [f"the canary's weight was last read {age:.0f} s ago"] if age > stale_seconds else []


def _silent(side: str, replicas: Sequence[Replica], now: float, stale_seconds: float) -> list[str]:
    if not replicas:
        return [f"no {side} is among the targets that could be read"]
    age = now - max(replica.times[-1] for replica in replicas)
    return [f"no replica of the {side} could be read for {age:.0f} s"] if age > stale_seconds else []


def _too_many_labels(side: str, replicas: Iterable[Replica]) -> list[str]:
    """The problem of replicas that count labels twice; over their whole life, because labels come late."""
    lives = [replica.readings[-1].counts for replica in replicas]
    sums = [(sum(map(sum, counts.labels)), sum(counts.scores)) for counts in lives if counts.labels and counts.scores]
    return [
        f"a replica of the {side} counts {labels:,.0f} labels for {scores:,.0f} scores; a label belongs to one score"
        for labels, scores in sums
        if labels > scores + _IN_FLIGHT
    ]


def _holdout(canaries: Sequence[Replica], champions: Sequence[Replica]) -> tuple[HoldoutShift | None, list[str]]:
    """The canary's shift on the hold-out, and the problems that forbid its use."""
    if not canaries or not champions:
        return None, []
    canary = max(canaries, key=lambda replica: replica.times[-1]).readings[-1]
    live = {replica.readings[-1].package for replica in champions}
    if len(live) > 1:
        return None, [f"the champion's replicas serve different packages: {', '.join(sorted(live))}"]
    # The canary is the champion's own package under other settings: its scores must not move.
    if canary.package and canary.package in live:
        return HoldoutShift((0.0,) * len(SCORE_EDGES), (0.0,) * len(SCORE_EDGES)), []
    if canary.champion and canary.champion not in live:
        return None, [
            f"the canary was compared on the hold-out with {canary.champion}, but the champion that is live is"
            f" {', '.join(live) or 'unknown'}; train it again against the live champion"
        ]
    return canary.holdout, []


@dataclass(frozen=True)
class _Steps:
    """One replica's counts between neighbouring samples: from `starts` to `ends`, one row of `rows` for each."""

    starts: Rows
    ends: Rows
    rows: Rows

    def where(self, chosen: NDArray[np.bool_]) -> _Steps:
        """The chosen steps."""
        return _Steps(self.starts[chosen], self.ends[chosen], self.rows[chosen])

    def within(self, start: float, end: float) -> NDArray[np.bool_]:
        """Which steps lie wholly between two times."""
        return (self.starts >= start) & (self.ends <= end)


def _strata(
    series: Series, began: float, canaries: Iterable[Replica], champions: Iterable[Replica], moment_seconds: float
) -> tuple[Stratum, ...]:
    by_weight: dict[float, tuple[list[_Steps], list[_Steps]]] = {}
    for side, replicas in enumerate((champions, canaries)):
        for replica in replicas:
            weights, rows = _increments(series, began, replica)
            steps = _Steps(np.array(replica.times[:-1]), np.array(replica.times[1:]), rows)
            for weight in np.unique(weights[~np.isnan(weights)]).tolist():
                by_weight.setdefault(weight, ([], []))[side].append(steps.where(weights == weight))
    return tuple(_stratum(weight, *sides, began, moment_seconds) for weight, sides in sorted(by_weight.items()))


def _stratum(
    weight: float, champions: list[_Steps], canaries: list[_Steps], began: float, moment_seconds: float
) -> Stratum:
    """One weight's counts: in all, and since some of its moments, without those that contradict themselves."""
    starts = np.concatenate([steps.starts for steps in (*champions, *canaries)])
    # All that follows the deadline is one moment: the bets' probability is divided among so many, and no more.
    moments = np.minimum(np.floor((starts - began) / moment_seconds), MOMENTS - 1)
    first, last = int(moments.min()), int(moments.max())
    since = [last - age for age in reversed(MOMENT_AGES) if last - age > first]
    later = [_since(champions, canaries, began + moment * moment_seconds) for moment in since]
    fair = tuple(pair for pair in later if pair and not any(map(_contradictory, pair)))
    return Stratum(weight, _settle(_total(champions)), _settle(_total(canaries)), fair)


def _total(side: Iterable[_Steps]) -> Rows:
    total: Rows = np.sum([np.zeros(COLUMNS), *(steps.rows.sum(axis=0) for steps in side)], axis=0)
    return total


def _since(champions: list[_Steps], canaries: list[_Steps], begin: float) -> tuple[Counts, Counts] | None:
    """The champion's and the canary's counts since a time; None where nothing can be compared yet.

    Replicas are not read at the same time, and a failure that both sides share for a few seconds may fall into the
    canary's part of the time alone: among few requests that looks like harm. So the canary's time ends with the
    champion's last sample, and a step of the champion that reaches beyond the canary's time counts in part, but with
    all its errors and slow requests.
    """
    ours = [steps.where(steps.within(begin, _last_read(champions))) for steps in canaries]
    ours = [steps for steps in ours if len(steps.starts)]
    if not ours:
        return None
    start, end = min(steps.starts[0] for steps in ours), max(steps.ends[-1] for steps in ours)
    theirs = np.zeros(COLUMNS)
    for steps in champions:
        part = np.clip(np.minimum(steps.ends, end) - np.maximum(steps.starts, start), 0, None)
        part = (part / np.maximum(steps.ends - steps.starts, 1e-9))[:, None]
        theirs += (part * steps.rows).sum(axis=0)
        rest = ((part > 0) * (1 - part) * steps.rows).sum(axis=0)
        bad = rest[1:3]
        theirs[:3] += [np.fmax(*bad), *bad]  # one of the two may be missing
        # Most requests may be slower than a part of the objective, so these do not add to the requests.
        theirs[SLOWER_AT] = np.minimum(theirs[SLOWER_AT] + rest[SLOWER_AT], theirs[0])
    return _settle(theirs), _settle(_total(ours))


def _last_read(side: list[_Steps]) -> float:
    """The time until which each replica was read that is still there."""
    newest = max((steps.ends[-1] for steps in side), default=-math.inf)
    return min((steps.ends[-1] for steps in side if 2 * steps.ends[-1] - steps.starts[-1] >= newest), default=newest)


def _contradictory(counts: Counts) -> bool:
    """Whether pages read while many requests ended would give a negative count, on which no bet is fair."""
    return bool(counts.contradictions(""))


def _increments(series: Series, began: float, replica: Replica) -> tuple[Rows, Rows]:
    """For each step between two samples, the weight that was set all that time (or NaN) and the replica's counts."""
    times, rows = np.array(replica.times), np.stack(replica.rows)
    weights = _weights_throughout(series, times[:-1], times[1:])
    weights[times[:-1] < began] = np.nan
    restarted = (rows[1:] < rows[:-1]).any(axis=1, keepdims=True)
    return weights, np.where(restarted, rows[1:], rows[1:] - rows[:-1])


def _weights_throughout(series: Series, starts: Rows, ends: Rows) -> Rows:
    """The weight of each span from start to end, if every reading from before its start to after its end has it.

    NaN for other spans, and where the weight is 0 or 100.
    """
    times, weights = np.array(series.weight_times), np.array(series.weights)
    first, last = np.searchsorted(times, starts, side="right") - 1, np.searchsorted(times, ends, side="left")
    known = (first >= 0) & (last < len(times))
    first, last = np.where(known, first, 0), np.where(known, last, 0)
    span = np.concatenate([[0], np.cumsum(np.diff(weights) != 0)])
    weight = weights[first]
    steady = known & (span[first] == span[last]) & (weight > 0) & (weight < 100)
    throughout: Rows = np.where(steady, weight, np.nan)
    return throughout


def _settle(row: Rows) -> Counts:
    """The counts of a row; a part that exceeds its whole by a few requests in flight is cut to the whole."""
    settled = row.copy()
    for column in (1, 2, *range(SLOWER_AT.start, SLOWER_AT.stop)):
        if 0 < settled[column] - settled[0] <= _IN_FLIGHT:
            settled[column] = settled[0]
    return Counts.from_vector(settled)
