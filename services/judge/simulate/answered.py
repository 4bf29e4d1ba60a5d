"""Simulated versions of the other tasks: values whose errors have heavy tails, and probabilities of several classes.

Each is made once from many rows: the shares of its bins, of its classes, and of the loss of its answers, which is the
one that a contract of the task names.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np

from components.spec.contract import SCORE_EDGES, Data
from services.judge.evidence.counts import BINS
from services.judge.simulate.world import LOSS_STEPS, LossShares, SimulatedVersion, champion, interpolated
from services.judge.statistics.evalue import Array

_ROWS: Final = 50_000
_SEED: Final = 7
#: Errors of a value follow Student's distribution with so many degrees of freedom: their fourth moment is infinite.
_FREEDOM: Final = 3
#: The scale of the errors, in parts of the range from the target's 5 % to its 95 %, which counts as a loss of 1.
_ERROR: Final = 0.05
#: The logarithm's deviation of a target that is skewed as prices are.
_SKEW: Final = 0.7
#: Class k is as frequent as (k + 1) to this power; how much the true class stands out, and the noise of each.
_FREQUENCY: Final = -0.7
_SIGNAL: Final = 3.0
_NOISE: Final = 1.2


def champion_for(data: Data) -> SimulatedVersion:
    """A champion of a spec's task."""
    if data.task == "regression":
        return champion_of_numbers()
    return champion_of_classes(len(data.classes)) if data.task == "multiclass" else champion()


@lru_cache
def champion_of_numbers() -> SimulatedVersion:
    """A champion whose answers are values: in bins by quantiles of the target, with heavy-tailed errors."""
    rng = np.random.default_rng(_SEED)
    truth = rng.lognormal(0.0, _SKEW, _ROWS)
    low, high = np.quantile(truth, (0.05, 0.95))
    answered = truth + _ERROR * (high - low) * rng.standard_t(_FREEDOM, _ROWS)
    edges = np.quantile(truth, np.linspace(0, 1, BINS + 1)[1:-1])
    own, stale = (np.minimum(np.abs(each - truth) / (high - low), 1.0)
                  for each in (answered, rng.permutation(answered)))  # fmt: skip
    return replace(champion(), scores=_shares(np.searchsorted(edges, answered), BINS),
                   losses=LossShares(_steps(own), _steps(stale)))  # fmt: skip


@lru_cache
def champion_of_classes(classes: int) -> SimulatedVersion:
    """A champion whose answers are probabilities of so many classes, of which some are more frequent than others."""
    rng = np.random.default_rng(_SEED)
    frequency = np.arange(1, classes + 1) ** _FREQUENCY
    truth = rng.choice(classes, _ROWS, p=frequency / frequency.sum())
    odds = np.log(frequency) + _SIGNAL * np.eye(classes)[truth] + _NOISE * rng.standard_normal((_ROWS, classes))
    answered = np.exp(odds - odds.max(axis=1, keepdims=True))
    answered /= answered.sum(axis=1, keepdims=True)
    own, stale = (((each - np.eye(classes)[truth]) ** 2).sum(axis=1) / 2
                  for each in (answered, rng.permutation(answered)))  # fmt: skip
    top = np.searchsorted(SCORE_EDGES, np.minimum(answered.max(axis=1), 1.0))
    return replace(champion(), scores=_shares(top, BINS), classes=_shares(answered.argmax(axis=1), classes),
                   losses=LossShares(_steps(own), _steps(stale)))  # fmt: skip


def swapped(version: SimulatedVersion) -> SimulatedVersion:
    """The same answers with each class's probability given to the next one; their largest is as before."""
    return replace(version, classes=np.roll(version.classes, 1))


def _shares(places: Array, number: int) -> Array:
    return np.bincount(places, minlength=number) / len(places)


def _steps(losses: Array) -> Array:
    return interpolated(losses, LOSS_STEPS) / len(losses)
