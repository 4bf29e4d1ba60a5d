"""Simulated answers of two versions, where the canary may be harmful in one signal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import lognorm, norm

from components.spec.contract import BRIER_LOSSES, SCORE_EDGES
from services.judge.evidence.counts import (
    BINS,
    CLASSES_AT,
    COLUMNS,
    ERRORS_AT,
    LOSSES_AT,
    REQUESTS_AT,
    SCORES_AT,
    TIMED_AT,
)
from services.judge.evidence.exposition import PARTS
from services.judge.statistics.evalue import Array
from services.judge.statistics.latency import COLUMN, OBJECTIVE
from services.judge.statistics.signals import SignalName
from services.telemetry import LABEL_LOSSES

#: Latencies are lognormal: half of the answers take at most this part of the objective, and 1 % take more than it.
MEDIAN = 0.2
DEVIATION = float(np.log(1 / MEDIAN) / norm.isf(0.01))
#: The bands between the thresholds of latency, and the first of them beyond the objective.
_BANDS = len(COLUMN) + 1
_SLOW_BAND = 3
#: Share of answers that get a label, one look later.
LABELLED = 0.5


#: The losses of answers that are no probability of a word: so many steps from 0 to 1.
LOSS_STEPS = np.linspace(0.0, 1.0, 61)
#: The parts of `LABEL_LOSSES` that an answer of each step counts for; (steps, LOSSES).
_STEP_PARTS = np.stack([np.interp(LOSS_STEPS, LABEL_LOSSES, one) for one in np.eye(len(LABEL_LOSSES))], axis=1)


@dataclass(frozen=True)
class LossShares:
    """The shares of `LOSS_STEPS` among the losses of a version's answers, and where they are those of other rows."""

    own: Array
    stale: Array


@dataclass(frozen=True)
class SimulatedVersion:
    """A version's probabilities for one request: of an error, of each band of latency, of each score bin.

    `latency` is the share of each band between the thresholds of latency, as multiples of the objective (6,).
    `scores` is the share of each bin (BINS,), `positives` the probability of a positive label in each bin (BINS,).
    Where answers have classes, `classes` is the share of each; where they are no probability of a word, `losses` stand
    for `positives`.
    """

    error: float
    latency: Array
    scores: Array
    positives: Array
    classes: Array = field(default_factory=lambda: np.zeros(0))
    losses: LossShares | None = None

    @property
    def slow(self) -> float:
        """The share of answers slower than the objective."""
        return float(self.latency[_SLOW_BAND:].sum())

    def labels(self) -> Array:
        """The probability of each pair of bin and label (negative, positive), (2 * BINS,); or that of each loss."""
        if self.losses is not None:
            return self.losses.own
        return np.stack([self.scores * (1 - self.positives), self.scores * self.positives], axis=-1).ravel()

    def loss(self) -> float:
        """The expected loss."""
        return float(self.labels() @ (np.array(BRIER_LOSSES) if self.losses is None else LOSS_STEPS))


def champion() -> SimulatedVersion:
    """A champion with 0.1 % errors, 1 % slow answers, and calibrated scores spread like a churn model's."""
    edges = np.array((0.0, *SCORE_EDGES))
    middle = (edges[1:] + edges[:-1]) / 2
    density = middle ** (0.6 - 1) * (1 - middle) ** (1.6 - 1) * np.diff(edges)
    return SimulatedVersion(0.001, lognormal(MEDIAN, DEVIATION), density / density.sum(), middle)


def lognormal(median: float, deviation: float) -> Array:
    """The share of each band of latency (6,), with a median in parts of the objective.

    `deviation` is that of the logarithm.
    """
    beyond = lognorm.sf([float(times) for times in COLUMN], deviation, scale=median)
    return -np.diff([1.0, *beyond, 0.0])


def with_slower(latency: Array, rises: dict[str, float]) -> Array:
    """The latency with a rise of the share beyond each threshold, taken from all requests that are faster.

    `rises` holds the extra requests by the band just beyond a threshold, a multiple of the objective.
    """
    worse = latency.copy()
    for times, rise in rises.items():
        first = list(COLUMN).index(times) + 1
        worse[:first] *= 1 - rise / worse[:first].sum()
        worse[first] += rise
    return worse


def with_slow(version: SimulatedVersion, slow: float) -> SimulatedVersion:
    """The same version with another share of slow answers, in (0, 1); fast ones and slow ones keep their shape."""
    times = np.where(np.arange(_BANDS) < _SLOW_BAND, (1 - slow) / (1 - version.slow), slow / version.slow)
    return replace(version, latency=version.latency * times)


def harmed(version: SimulatedVersion, signal: SignalName, excess: float) -> SimulatedVersion:
    """A canary that is worse than `version` by `excess` in one signal, and equal in the others.

    Slow answers are just beyond the objective, and none beyond twice as much. A shift of scores moves a part of the
    lower half of the distribution up, or where there are classes, answers from the most frequent to the rarest. A loss
    gives a part of the requests the scores of other rows, which leaves the distribution of scores unchanged.
    """
    if signal == "error_ratio":
        return replace(version, error=version.error + excess)
    if signal == "slow_ratio":
        return replace(version, latency=with_slower(version.latency, {OBJECTIVE: excess}))
    if signal == "score_shift" and version.classes.size:
        moved = np.zeros(version.classes.size)
        moved[[int(version.classes.argmax()), int(version.classes.argmin())]] = -excess, excess
        return replace(version, classes=version.classes + moved)
    if signal == "score_shift":
        below = np.cumsum(version.scores)
        half = int(np.argmin(np.abs(below - 0.5)))
        upper = np.where(np.arange(BINS) > half, version.scores, 0.0)
        part = excess / below[half]
        return replace(version, scores=(1 - part) * version.scores + part * upper / upper.sum())
    if version.losses is not None:
        own, stale = version.losses.own, version.losses.stale
        part = excess / float((stale - own) @ LOSS_STEPS)
        return replace(version, losses=LossShares((1 - part) * own + part * stale, stale))
    uninformed = replace(version, positives=np.full(BINS, version.scores @ version.positives))
    part = excess / (uninformed.loss() - version.loss())
    return replace(version, positives=(1 - part) * version.positives + part * uninformed.positives)


def drifted(version: SimulatedVersion, progress: float) -> SimulatedVersion:
    """The same version as traffic gets harder: errors and slow answers rise to four-fold at `progress` 1."""
    times = 1 + 3 * progress
    upper = version.scores * np.linspace(1, times, BINS)
    slower = np.where(np.arange(_BANDS) >= _SLOW_BAND, times * version.latency, version.latency)
    slower[:_SLOW_BAND] *= (1 - times * version.slow) / (1 - version.slow)
    return replace(version, error=version.error * times, latency=slower, scores=upper / upper.sum())


def answer(
    version: SimulatedVersion,
    requests: NDArray[np.int64],
    signal: SignalName | None,
    rng: np.random.Generator,
    labelled: float = LABELLED,
) -> Array:
    """Draws the counts of `requests` (rollouts,), for one signal or for all (None); (rollouts, columns)."""
    table = np.zeros((requests.size, COLUMNS + version.classes.size))
    table[:, REQUESTS_AT] = table[:, TIMED_AT] = requests
    if signal in (None, "error_ratio"):
        table[:, ERRORS_AT] = rng.binomial(requests, version.error)
    if signal in (None, "slow_ratio"):
        bands = rng.multinomial(requests, version.latency)
        table[:, list(COLUMN.values())] = np.cumsum(bands[:, :0:-1], axis=1)[:, ::-1]
    if signal in (None, "score_shift"):
        table[:, SCORES_AT] = rng.multinomial(requests, version.scores)
        if version.classes.size:
            table[:, CLASSES_AT] = rng.multinomial(requests, version.classes)
    if signal in (None, "label_loss"):
        table[:, LOSSES_AT] = rng.multinomial(rng.binomial(requests, labelled), version.labels()) @ (
            PARTS if version.losses is None else _STEP_PARTS
        )
    return table


def interpolated(differences: Array, grid: Array) -> Array:
    """How many requests count for each value of the grid, as a server counts them."""
    low = np.clip(np.searchsorted(grid, differences, side="right") - 1, 0, len(grid) - 2)
    upper = (differences - grid[low]) / (grid[low + 1] - grid[low])
    counts = np.bincount(low, 1 - upper, len(grid)) + np.bincount(low + 1, upper, len(grid))
    return np.asarray(counts)
