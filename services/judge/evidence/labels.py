"""Counts labels under the weight at which their answers were given, and of the same age on both sides.

Labels come late, and those of one class may come later than those of the other. Counted when they come, a canary's
would be of its young answers, a champion's also of its old ones: the two would not be alike although the versions are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from services.judge.evidence.counts import LOSSES
from services.judge.evidence.series import Replica, Rows, Series
from services.judge.evidence.slots import Row

#: The share of labelled answers is rounded in its log-odds, so that it seldom moves from one look to the next: a bet
#: is one process only while its share stays.
_LOG_ODDS_STEP = 0.1
#: The time at which all replicas were seen lies within so many of the last samples of each.
_SAMPLES = 16


@dataclass(frozen=True)
class AnswerSlots:
    """Slots of answers of one side: from `starts` to `ends` (Unix seconds), with a row of labels for each."""

    starts: Rows
    ends: Rows
    rows: Rows

    def where(self, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> AnswerSlots:
        """The chosen slots."""
        return AnswerSlots(self.starts[chosen], self.ends[chosen], self.rows[chosen])

    @property
    def losses(self) -> Row:
        """All labelled answers by loss."""
        total: Row = self.rows.sum(axis=0)[:LOSSES]
        return total

    @property
    def remembered(self) -> float:
        """The number of answers that labels may come back for."""
        return float(self.rows[:, LOSSES].sum())


@dataclass(frozen=True)
class LabelledAnswers:
    """Both sides' slots of answers, champion first, with the weight that was set all that time (or NaN).

    `immature` is the number of answers that are too young to count.
    """

    sides: tuple[AnswerSlots, AnswerSlots]
    weights: tuple[Rows, Rows]
    immature: float = 0.0

    def at(self, weight: float, since: float = -np.inf) -> tuple[AnswerSlots, AnswerSlots]:
        """The slots of both sides at a weight, since a time."""
        champion, canary = (
            side.where((weights == weight) & (side.starts >= since))
            for side, weights in zip(self.sides, self.weights, strict=True)
        )
        return champion, canary

    def share(self, weight: float) -> float | None:
        """The canary's part in percent of the answers at a weight that labels may come back for; None without any."""
        champion, canary = (side.remembered for side in self.at(weight))
        if not champion or not canary:
            return None
        odds = np.exp(_LOG_ODDS_STEP * np.round(np.log(canary / champion) / _LOG_ODDS_STEP))
        return float(100 * odds / (1 + odds))


def labelled_answers(
    series: Series,
    began: float,
    champions: Sequence[Replica],
    canaries: Sequence[Replica],
    now: float,
    gone: float,
    mature_seconds: float,
) -> LabelledAnswers | None:
    """The answers since the rollout began; None if a replica does not tell labels by the time of their answers.

    A replica that is gone has forgotten its answers, so labels that come late do not count there any more: all its
    labels are left out. All replicas are seen as they were at one time. `mature_seconds` is the age from which an
    answer counts.
    """
    live = [[one for one in side if one.times[-1] >= now - gone] for side in (champions, canaries)]
    newest = [one.readings[-1].slotted for side in live for one in side]
    if not all(live) or any(slotted is None or not slotted.label_seconds for slotted in newest):
        return None
    common = min(now, *(one.times[-1] for side in live for one in side))
    champion, canary = (_answers(side, began, common) for side in live)
    mature = [side.where(side.ends <= common - mature_seconds) for side in (champion, canary)]
    immature = champion.remembered + canary.remembered - sum(side.remembered for side in mature)
    weights = [series.weights_throughout(side.starts, side.ends) for side in mature]
    return LabelledAnswers((mature[0], mature[1]), (weights[0], weights[1]), immature if mature_seconds else 0.0)


def _answers(replicas: Sequence[Replica], began: float, at: float) -> AnswerSlots:
    starts, ends, rows = [], [], [np.zeros((0, LOSSES + 1))]
    for replica in replicas:
        seconds, known = _seen_at(replica, at)
        for slot, row in known.items():
            if slot * seconds >= began:
                starts.append(slot * seconds)
                ends.append((slot + 1) * seconds)
                rows.append(row[None])
    return AnswerSlots(np.array(starts), np.array(ends), np.concatenate(rows))


def _seen_at(replica: Replica, at: float) -> tuple[float, dict[int, Row]]:
    """The length of a replica's slots, and its labels as they stood at a time, between its two samples around it."""
    samples = [(time, reading.slotted) for time, reading in zip(replica.times, replica.readings, strict=True)]
    for (before, older), (after, newer) in pairwise(samples[-_SAMPLES:]):
        if before <= at <= after and older is not None and newer is not None:
            part = (at - before) / (after - before)
            pairs = {slot: (older.labels.get(slot, np.zeros(LOSSES + 1)), row) for slot, row in newer.labels.items()}
            return newer.label_seconds, {slot: one + part * (two - one) for slot, (one, two) in pairs.items()}
    time, slotted = samples[-1]
    if slotted is not None and time <= at:
        return slotted.label_seconds, slotted.labels
    return 1.0, {}
