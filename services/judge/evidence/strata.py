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
from dataclasses import dataclass, replace

import numpy as np

from services.judge.evidence.arrivals import Arrivals
from services.judge.evidence.beyond import around, within, without_blind
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
    widened,
)
from services.judge.evidence.gateway import NOTHING_TOLD, GaveUp
from services.judge.evidence.labels import LabelledAnswers
from services.judge.evidence.series import Replica, Rows, Series
from services.judge.evidence.steps import Span, Steps, together
from services.judge.evidence.warming import Timing, is_warm, warm_from

#: What is not judged while a version warms up.
_SLOWER = range(SLOWER_AT.start, SLOWER_AT.stop)
_LATENCY_AT = [SLOW_AT, TIMED_AT, *_SLOWER]
#: Each part with its whole.
_BAD = ((ERRORS_AT, REQUESTS_AT), (SLOW_AT, TIMED_AT))
_PARTS = (*_BAD, *((slower, TIMED_AT) for slower in _SLOWER))


#: By weight in percent: the steps of the champion's replicas, and of the canary's.
_ByWeight = dict[float, tuple[list[Steps], list[Steps]]]


@dataclass(frozen=True)
class Beside:
    """What is counted beside the replicas' samples: None where the servers do not tell it.

    `blind` are the spans in which not all replicas are known, of champion and canary.
    """

    labels: LabelledAnswers | None = None
    arrivals: Arrivals | None = None
    gateway: GaveUp = NOTHING_TOLD
    blind: tuple[Sequence[Span], Sequence[Span]] = ((), ())


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
    columns = max((replica.table.shape[1] for replica in (*champions, *canaries)), default=COLUMNS)
    for side, replicas in enumerate((champions, canaries)):
        for replica in replicas:
            weights, steps = _increments(series, began, replica)
            steps = replace(steps, rows=widened(steps.rows, columns))
            cold = ~is_warm(series, replica, steps.starts, canary_warm_from, timing)
            steps.rows[:, _LATENCY_AT] *= ~cold[:, None]  # what is missing stays missing
            _divide(by_weight, side, weights, steps)
    found = (_stratum(weight, *sides, began, timing, beside) for weight, sides in sorted(by_weight.items()))
    return tuple(found)


def _divide(by_weight: _ByWeight, side: int, weights: Rows, steps: Steps) -> None:
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
    champions: list[Steps],
    canaries: list[Steps],
    began: float,
    timing: Timing,
    beside: Beside,
) -> Stratum:
    """One weight's counts: in all, and since some of its moments, without those that contradict themselves."""
    columns = (champions or canaries)[0].rows.shape[1]
    champion, canary = together(champions, columns), together(canaries, columns)
    starts = np.concatenate([champion.starts, canary.starts])
    # All that follows the deadline is one moment: the bets' probability is divided among so many, and no more.
    moments = np.minimum(np.floor((starts - began) / timing.moment_seconds), MOMENTS - 1)
    first, last = int(moments.min()), int(moments.max())
    since = [began + (last - age) * timing.moment_seconds for age in reversed(MOMENT_AGES) if last - age > first]
    begin, read = _both_read(champions)
    nothing = np.zeros(columns), np.zeros(columns)
    slack = _slack(champions), _slack(canaries)
    lost, ours_lost = (
        within(gateway, side, late, blind)
        for gateway, side, late, blind in zip(
            beside.gateway.sides, (champion, canary), slack, beside.blind, strict=True
        )
    )
    sums = [
        (champion.rows.sum(axis=0) + lost, canary.rows.sum(axis=0) + ours_lost),
        _since(champion, canary, begin, read, beside, slack[1]) or nothing,
        _for_safety(champion, canary, *_both_read(canaries), beside, slack[0]) or nothing,
        *(_since(champion, canary, moment, read, beside, slack[1]) for moment in since),
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
        gave_up=(float(lost[ERRORS_AT]), float(ours_lost[ERRORS_AT])),
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


def _slack(side: list[Steps]) -> float:
    """Replicas of a side are read up to so many seconds apart: at the ends of its time some are missing."""
    return max(float((steps.ends - steps.starts).max()) for steps in side) if len(side) > 1 else 0.0


def _since(
    champion: Steps, canary: Steps, begin: float, champion_read: float, beside: Beside, slack: float
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
    part = champion.part(start, end)[:, None]
    theirs: Rows = (part * champion.rows).sum(axis=0)
    cut = ((part > 0) * (1 - part) * champion.rows).sum(axis=0)
    for bad, whole in _BAD:
        theirs[bad] += cut[bad]
        theirs[whole] += np.nan_to_num(cut[bad])  # it may be missing, and hides no other
    # Most requests may be slower than a part of the objective, so these do not add to the requests.
    theirs[SLOWER_AT] = np.minimum(theirs[SLOWER_AT] + cut[SLOWER_AT], theirs[TIMED_AT])
    shared = champion.where((champion.starts < end) & (champion.ends > start))
    (their_gateway, our_gateway), (their_blind, our_blind) = beside.gateway.sides, beside.blind
    theirs = theirs + around(their_gateway, shared, start, end, their_blind)
    return theirs, ours.rows.sum(axis=0) + within(our_gateway, ours, slack, our_blind)


def _for_safety(
    champion: Steps, canary: Steps, begin: float, canary_read: float, beside: Beside, slack: float
) -> tuple[Rows, Rows] | None:
    """The counts of both sides on which safety is judged; None where nothing can be compared yet.

    A failure that both sides share may fall into the champion's part of the time alone, and a harmful canary would
    look better than it. So the champion's steps that reach beyond the canary's samples are no worse than the others.
    Of what the gateway gave up, all counts that may be the canary's, and nothing of the champion's blind moments; the
    time for which it was not read yet is left out.
    """
    gateway = beside.gateway
    canary = canary.where(canary.ends <= gateway.read_until)
    inside = champion.within(begin, min(canary_read, gateway.read_until))
    if not inside.any() or not len(canary.starts):
        return None
    theirs, border = champion.rows[inside].sum(axis=0), champion.rows[~inside].sum(axis=0)
    known = without_blind(gateway.sides[0], beside.blind[0])
    theirs = theirs + within(known, champion.where(inside), slack, ())
    for bad, whole in _PARTS:
        border[bad] = np.minimum(border[bad], border[whole] * theirs[bad] / max(theirs[whole], 1.0))
    ours = canary.rows.sum(axis=0) + around(gateway.sides[1], canary, canary.starts.min(), canary.ends.max())
    return theirs + border, ours


def _both_read(side: list[Steps]) -> tuple[float, float]:
    """The time in which each replica was read of those that were there at its beginning, or at its end."""
    oldest = min((steps.starts[0] for steps in side), default=math.inf)
    newest = max((steps.ends[-1] for steps in side), default=-math.inf)
    first = max((s.starts[0] for s in side if 2 * s.starts[0] - s.ends[0] <= oldest), default=oldest)
    last = min((s.ends[-1] for s in side if 2 * s.ends[-1] - s.starts[-1] >= newest), default=newest)
    return first, last


def _contradictory(counts: Counts) -> bool:
    """Whether pages read while many requests ended would give a negative count, on which no bet is fair."""
    return bool(counts.contradictions(""))


def _increments(series: Series, began: float, replica: Replica) -> tuple[Rows, Steps]:
    """For each step between two samples, the weight that was set all that time (or NaN), and the replica's counts."""
    times = np.array(replica.times)
    weights = series.weights_throughout(times[:-1], times[1:])
    weights[times[:-1] < began] = np.nan
    return weights, Steps(times[:-1], times[1:], replica.increases)


def _settle(row: Rows) -> Counts:
    """The counts of a row; a part that exceeds its whole by a few requests in flight is cut to the whole."""
    settled = row.copy()
    for part, whole in _PARTS:
        if 0 < settled[part] - settled[whole] <= IN_FLIGHT:
            settled[part] = settled[whole]
    return Counts.from_vector(settled)
