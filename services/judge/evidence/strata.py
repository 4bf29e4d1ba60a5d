"""Turns the samples of both sides into counts by traffic weight.

Counts between two samples of a replica belong to the weight that was set all that time. If the weight changed in
between, the whole step is left out, for both sides: nobody can tell which part was counted under which weight, and a
guess would let a drift of the base rate look like a difference between versions. A counter that fell was restarted,
and has counted from zero since.

Labels count under the weight at which their answer was given, and requests that arrived under that of their arrival,
where the servers tell it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.judge.evidence.arrivals import Arrivals
from services.judge.evidence.counts import (
    COLUMNS,
    ERRORS_AT,
    IN_FLIGHT,
    LOSSES_AT,
    MOMENT_AGES,
    MOMENTS,
    REQUESTS_AT,
    SLOW_AT,
    SLOWER_AT,
    TIMED_AT,
    Counts,
    Stratum,
)
from services.judge.evidence.gateway import GaveUp
from services.judge.evidence.labels import LabelledAnswers
from services.judge.evidence.series import Replica, Rows, Series
from services.judge.evidence.warming import Timing, is_warm, warm_from

#: What is not judged while a version warms up.
_SLOWER = range(SLOWER_AT.start, SLOWER_AT.stop)
_LATENCY_AT = [SLOW_AT, TIMED_AT, *_SLOWER]
#: Each part with its whole.
_BAD = ((ERRORS_AT, REQUESTS_AT), (SLOW_AT, TIMED_AT))
_PARTS = (*_BAD, *((slower, TIMED_AT) for slower in _SLOWER))


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


#: By weight in percent: the steps of the champion's replicas, and of the canary's.
_ByWeight = dict[float, tuple[list[_Steps], list[_Steps]]]


@dataclass(frozen=True)
class Beside:
    """What is counted beside the replicas' samples: None where the servers do not tell it."""

    labels: LabelledAnswers | None = None
    arrivals: Arrivals | None = None
    gateway: GaveUp = field(default_factory=GaveUp)


def strata(
    series: Series,
    began: float,
    champions: Sequence[Replica],
    canaries: Sequence[Replica],
    timing: Timing,
    beside: Beside,
) -> tuple[Stratum, ...]:
    """The counts of both sides by weight, in rising order of weights."""
    by_weight: _ByWeight = {}
    canary_warm_from = warm_from(began, canaries, timing)
    for side, replicas in enumerate((champions, canaries)):
        for replica in replicas:
            weights, steps = _increments(series, began, replica)
            cold = ~is_warm(series, replica, steps.starts, canary_warm_from, timing)
            steps.rows[:, _LATENCY_AT] *= ~cold[:, None]  # what is missing stays missing
            _divide(by_weight, side, weights, steps)
    gave_up = _gave_up(series, beside.gateway)
    found = (_stratum(weight, *sides, gave_up, began, timing, beside) for weight, sides in sorted(by_weight.items()))
    return tuple(found)


@dataclass(frozen=True)
class _GaveUp:
    """The requests that failed at the gateway, by side, since before the rollout; and when it was read last."""

    champion: _Steps
    canary: _Steps
    read_until: float


def _gave_up(series: Series, gateway: GaveUp) -> _GaveUp:
    sides = []
    for side in (0, 1):
        steps = [_increments(series, -math.inf, page)[1] for page in gateway.side(side)]
        sides.append(_together([one.where(gateway.counts(one.starts, one.ends)) for one in steps]))
    return _GaveUp(sides[0], sides[1], gateway.read_until())


def _divide(by_weight: _ByWeight, side: int, weights: Rows, steps: _Steps) -> None:
    """Adds a replica's steps to its side by the weight that was set; a weight of NaN leaves a step out."""
    for weight in np.unique(weights[~np.isnan(weights)]).tolist():
        by_weight.setdefault(weight, ([], []))[side].append(steps.where(weights == weight))


def counted_since(series: Series, began: float, replica: Replica) -> Rows:
    """All that a replica counted while the canary had some of the traffic."""
    weights, steps = _increments(series, began, replica)
    total: Rows = steps.rows[~np.isnan(weights)].sum(axis=0)
    return total


def _stratum(
    weight: float,
    champions: list[_Steps],
    canaries: list[_Steps],
    gave_up: _GaveUp,
    began: float,
    timing: Timing,
    beside: Beside,
) -> Stratum:
    """One weight's counts: in all, and since some of its moments, without those that contradict themselves."""
    champion, canary = _together(champions), _together(canaries)
    starts = np.concatenate([champion.starts, canary.starts])
    # All that follows the deadline is one moment: the bets' probability is divided among so many, and no more.
    moments = np.minimum(np.floor((starts - began) / timing.moment_seconds), MOMENTS - 1)
    first, last = int(moments.min()), int(moments.max())
    since = [began + (last - age) * timing.moment_seconds for age in reversed(MOMENT_AGES) if last - age > first]
    begin, read = _both_read(champions)
    nothing = np.zeros(COLUMNS), np.zeros(COLUMNS)
    slack = _slack(champions), _slack(canaries)
    lost = _within(gave_up.champion, champion, slack[0]), _within(gave_up.canary, canary, slack[1])
    sums = [
        (champion.rows.sum(axis=0) + lost[0], canary.rows.sum(axis=0) + lost[1]),
        _since(champion, canary, begin, read, gave_up, slack[1]) or nothing,
        _for_safety(champion, canary, *_both_read(canaries), gave_up, slack[0]) or nothing,
        *(_since(champion, canary, moment, read, gave_up, slack[1]) for moment in since),
    ]  # fmt: skip
    if beside.labels is not None:
        begins = (*[-math.inf] * 3, *since)
        sums = [_labelled(pair, beside.labels, weight, at) for pair, at in zip(sums, begins, strict=True)]
    whole, *parts = ((_settle(theirs), _settle(ours)) for theirs, ours in filter(None, sums))
    harm, safety, *later = (None if any(map(_contradictory, pair)) else pair for pair in parts)
    return Stratum(
        weight, *whole, tuple(filter(None, later)),
        labelled=None if beside.labels is None else beside.labels.share(weight),
        arrived=None if beside.arrivals is None else beside.arrivals.get(weight, (0.0, 0.0)),
        gave_up=(float(lost[0][ERRORS_AT]), float(lost[1][ERRORS_AT])),
        for_harm=None if harm == whole else harm, for_safety=None if safety == whole else safety,
    )  # fmt: skip


def _labelled(
    pair: tuple[Rows, Rows] | None, labels: LabelledAnswers, weight: float, since: float
) -> tuple[Rows, Rows] | None:
    """The same counts, with the labels of the answers that were given at this weight since a time."""
    if pair is None:
        return None
    for row, side in zip(pair, labels.at(weight, since), strict=True):
        row[LOSSES_AT] = side.losses
    return pair


def _within(gateway: _Steps, servers: _Steps, slack: float) -> Rows:
    """What the gateway gave up while the servers were read, and no more: its pages come at other times than theirs."""
    if not len(servers.starts):
        return np.zeros(COLUMNS)
    inside = gateway.within(servers.starts.min() + slack, servers.ends.max() - slack)
    return _beyond(gateway.rows[inside, ERRORS_AT].sum(), servers.rows[:, ERRORS_AT].sum())


def _around(gateway: _Steps, servers: _Steps, start: float, end: float) -> Rows:
    """What the gateway gave up between two times; of a page that reaches beyond them, the part that lies between."""
    part = np.clip(np.minimum(gateway.ends, end) - np.maximum(gateway.starts, start), 0, None)
    part = part / np.maximum(gateway.ends - gateway.starts, 1e-9)
    return _beyond((part * gateway.rows[:, ERRORS_AT]).sum(), servers.rows[:, ERRORS_AT].sum())


def _beyond(failed: float, counted: float) -> Rows:
    """The failed requests that the servers did not count, as errors."""
    row = np.zeros(COLUMNS)
    row[[REQUESTS_AT, ERRORS_AT]] = max(float(failed) - float(np.nan_to_num(counted)), 0.0)
    return row


def _slack(side: list[_Steps]) -> float:
    """Replicas of a side are read up to so many seconds apart: at the ends of its time some are missing."""
    return max(float((steps.ends - steps.starts).max()) for steps in side) if len(side) > 1 else 0.0


def _together(side: list[_Steps]) -> _Steps:
    """The steps of all replicas of a side."""
    starts, ends = (
        np.concatenate([np.zeros(0), *times]) for times in ([s.starts for s in side], [s.ends for s in side])
    )
    return _Steps(starts, ends, np.concatenate([np.zeros((0, COLUMNS)), *(steps.rows for steps in side)]))


def _since(
    champion: _Steps, canary: _Steps, begin: float, champion_read: float, gave_up: _GaveUp, slack: float
) -> tuple[Rows, Rows] | None:
    """The champion's and the canary's counts since a time; None where nothing can be compared yet.

    Replicas are not read at the same time, and a failure that both sides share for a few seconds may fall into the
    canary's part of the time alone: among few requests that looks like harm. So the canary's time ends with the
    champion's last sample, and a step of the champion that reaches beyond the canary's time counts in part, but with
    all its errors and slow requests. So it is with what the gateway gave up: of the canary's only what lies within.
    """
    ours = canary.where(canary.within(begin, champion_read))
    if not len(ours.starts):
        return None
    start, end = ours.starts.min(), ours.ends.max()
    part = np.clip(np.minimum(champion.ends, end) - np.maximum(champion.starts, start), 0, None)
    part = (part / np.maximum(champion.ends - champion.starts, 1e-9))[:, None]
    theirs: Rows = (part * champion.rows).sum(axis=0)
    cut = ((part > 0) * (1 - part) * champion.rows).sum(axis=0)
    for bad, whole in _BAD:
        theirs[bad] += cut[bad]
        theirs[whole] += np.nan_to_num(cut[bad])  # it may be missing, and hides no other
    # Most requests may be slower than a part of the objective, so these do not add to the requests.
    theirs[SLOWER_AT] = np.minimum(theirs[SLOWER_AT] + cut[SLOWER_AT], theirs[TIMED_AT])
    theirs = theirs + _around(
        gave_up.champion, champion.where((champion.starts < end) & (champion.ends > start)), start, end
    )
    return theirs, ours.rows.sum(axis=0) + _within(gave_up.canary, ours, slack)


def _for_safety(
    champion: _Steps, canary: _Steps, begin: float, canary_read: float, gave_up: _GaveUp, slack: float
) -> tuple[Rows, Rows] | None:
    """The counts of both sides on which safety is judged; None where nothing can be compared yet.

    A failure that both sides share may fall into the champion's part of the time alone, and a harmful canary would
    look better than it. So the champion's steps that reach beyond the canary's samples are no worse than the others.
    Of what the gateway gave up, all counts that may be the canary's, and the time for which it was not read yet is left
    out.
    """
    canary = canary.where(canary.ends <= gave_up.read_until)
    inside = champion.within(begin, min(canary_read, gave_up.read_until))
    if not inside.any() or not len(canary.starts):
        return None
    theirs, border = champion.rows[inside].sum(axis=0), champion.rows[~inside].sum(axis=0)
    theirs = theirs + _within(gave_up.champion, champion.where(inside), slack)
    for bad, whole in _PARTS:
        border[bad] = np.minimum(border[bad], border[whole] * theirs[bad] / max(theirs[whole], 1.0))
    ours = canary.rows.sum(axis=0) + _around(gave_up.canary, canary, canary.starts.min(), canary.ends.max())
    return theirs + border, ours


def _both_read(side: list[_Steps]) -> tuple[float, float]:
    """The time in which each replica was read of those that were there at its beginning, or at its end."""
    oldest = min((steps.starts[0] for steps in side), default=math.inf)
    newest = max((steps.ends[-1] for steps in side), default=-math.inf)
    first = max((s.starts[0] for s in side if 2 * s.starts[0] - s.ends[0] <= oldest), default=oldest)
    last = min((s.ends[-1] for s in side if 2 * s.ends[-1] - s.starts[-1] >= newest), default=newest)
    return first, last


def _contradictory(counts: Counts) -> bool:
    """Whether pages read while many requests ended would give a negative count, on which no bet is fair."""
    return bool(counts.contradictions(""))


def _increments(series: Series, began: float, replica: Replica) -> tuple[Rows, _Steps]:
    """For each step between two samples, the weight that was set all that time (or NaN), and the replica's counts."""
    times, rows = np.array(replica.times), replica.table
    weights = series.weights_throughout(times[:-1], times[1:])
    weights[times[:-1] < began] = np.nan
    return weights, _Steps(times[:-1], times[1:], np.where(replica.restarts[1:, None], rows[1:], rows[1:] - rows[:-1]))


def _settle(row: Rows) -> Counts:
    """The counts of a row; a part that exceeds its whole by a few requests in flight is cut to the whole."""
    settled = row.copy()
    for part, whole in _PARTS:
        if 0 < settled[part] - settled[whole] <= IN_FLIGHT:
            settled[part] = settled[whole]
    return Counts.from_vector(settled)
