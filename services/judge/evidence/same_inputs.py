"""Compares the inputs that the canary read with those that the champion read meanwhile.

Both get the same traffic, so their inputs are spread in the same way. Where they are not, one of the two does not read
what callers sent: its server decodes a value wrongly, or something on its route changes it. What the hold-out lets
expect of such inputs is a fault's own excuse.

**How.** Each feature's values are known by four waves with values in [-1, 1], whose means are compared within the time
of each weight: the canary's share changes from one to the next, and callers may change with the time of day. A wave's
variance is at most 1 less the square of its mean, so a deviation is told too small rather than too large.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from services.judge.evidence.exposition import InputSums
from services.judge.evidence.series import Replica, Rows, Series
from services.telemetry import WAVES

#: So many standard errors are no chance: over all features, waves and looks it makes less than one in ten thousand.
_RARE = 5.0
#: Columns of a row of sums: requests that the inputs stand for, squares, and then the waves, feature after feature.
_NUMBER_AT, _SQUARES_AT, _WAVES_AT = 0, 1, 2

#: By weight in percent: the sums of the champion, and of the canary.
ByWeight = dict[float, tuple[Rows, Rows]]


@dataclass(frozen=True)
class ReadInputs:
    """What both sides read by weight, for the features that both tell."""

    names: tuple[str, ...]
    by_weight: ByWeight


def read_inputs(
    series: Series, began: float, champions: Sequence[Replica], canaries: Sequence[Replica]
) -> ReadInputs | None:
    """What both sides read since the rollout began; None if a replica that was read lately does not tell."""
    sides = (champions, canaries)
    newest = [one.readings[-1].inputs for side in sides for one in side]
    if not all(sides) or not all(newest):
        return None
    told = [set(inputs.waves) for inputs in newest if inputs is not None]
    names = tuple(sorted(set.intersection(*told)))
    found: ByWeight = {}
    for side, replicas in enumerate(sides):
        for replica in replicas:
            for weight, row in _by_weight(series, began, replica, names):
                both = found.setdefault(weight, (np.zeros_like(row), np.zeros_like(row)))
                both[side][:] += row
    return ReadInputs(names, found)


def _by_weight(series: Series, began: float, replica: Replica, names: Sequence[str]) -> Iterator[tuple[float, Rows]]:
    """The sums of what a replica read at each weight."""
    times = np.array(replica.times)
    rows = np.stack([sums_row(reading.inputs, names) for reading in replica.readings])
    weights = series.weights_throughout(times[:-1], times[1:])
    weights[(times[:-1] < began) | np.isnan(rows[:-1, _NUMBER_AT]) | np.isnan(rows[1:, _NUMBER_AT])] = np.nan
    steps = np.where(replica.restarts[1:, None], rows[1:], np.diff(rows, axis=0))
    for weight in np.unique(weights[~np.isnan(weights)]).tolist():
        yield weight, steps[weights == weight].sum(axis=0)


def sums_row(inputs: InputSums | None, names: Sequence[str]) -> Rows:
    """A replica's sums for some features; NaN where it does not tell."""
    unknown = np.full(len(WAVES), np.nan)
    if inputs is None:
        return np.full(_WAVES_AT + len(WAVES) * len(names), np.nan)
    waves = [inputs.waves.get(name, unknown) for name in names]
    return np.concatenate([[inputs.number, inputs.squares], *waves])


def differing(read: ReadInputs | None) -> tuple[str, ...] | None:
    """The features in which the two sides' inputs differ by more than chance, the worst first; None if not known."""
    if read is None:
        return None
    known = [both for both in read.by_weight.values() if min(row[_NUMBER_AT] for row in both) > 0]
    if not known:
        return None
    deviations = _deviations(known).reshape(len(read.names), len(WAVES)).max(axis=1)
    order = np.argsort(-deviations)
    return tuple(read.names[place] for place in order.tolist() if deviations[place] > _RARE)


def _deviations(known: Sequence[tuple[Rows, Rows]]) -> Rows:
    """By how many standard errors the canary's mean of each wave is from the champion's, weight by weight."""
    apart, variance = np.zeros(len(known[0][0]) - _WAVES_AT), np.zeros(len(known[0][0]) - _WAVES_AT)
    for champion, canary in known:
        theirs, ours = (row[_WAVES_AT:] / row[_NUMBER_AT] for row in (champion, canary))
        pooled = (champion + canary)[_WAVES_AT:] / (champion + canary)[_NUMBER_AT]
        worth = sum(row[_SQUARES_AT] / row[_NUMBER_AT] ** 2 for row in (champion, canary))
        apart += canary[_NUMBER_AT] * (ours - theirs)
        variance += canary[_NUMBER_AT] ** 2 * np.maximum(1 - pooled**2, 0) * worth
    # A value that never changes has no variance, and none is needed to see that it changed.
    deviations: Rows = np.abs(apart) / np.sqrt(np.maximum(variance, 1e-12))
    return np.where(np.abs(apart) > 1e-6 * sum(canary[_NUMBER_AT] for _, canary in known), deviations, 0.0)
