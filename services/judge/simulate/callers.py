"""Callers who are not those of the hold-out: three features, of which the champion uses two and the canary all.

The canary is better: it knows the true odds. Where the third feature moves by half a deviation, its scores and the
champion's move apart by 11 % more than on the hold-out. Each rollout has another hold-out, with as many rows as that of
the churn demo; the package's population is fitted to them as the pipeline does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from components.package.bins import score_bin
from components.package.population import ExpectedShift, NumberBins
from components.package.population_fit import bin_number, fitted
from services.judge.evidence.counts import BINS, HoldoutShift, LiveExpectation
from services.judge.statistics.evalue import Array

#: What is wrong with the canary: nothing, it reads the third feature in hundredths, or its scores are shifted.
CanaryFault = Literal["", "wrong unit", "shifted"]

_HOLDOUT_ROWS: Final = 1366
#: The logarithm of the odds without any feature, and what each feature adds.
_INTERCEPT, _SLOPES = -1.2, (1.1, 0.7, 0.9)
#: Without the third feature odds are nearer to even: by the logistic function's likeness to the normal one.
_SHRUNK: Final = 1 / np.sqrt(1 + np.pi / 8 * _SLOPES[2] ** 2)
#: So many live callers are made once, and picked from again and again.
_POOL: Final = 200_000
#: A shifted canary gives this part of the lower half of its answers the highest scores: more than twice the margin.
_SHIFTED: Final = 0.3
_NO_DIGEST: Final = "sha256:" + "0" * 64


@dataclass(frozen=True)
class LiveCallers:
    """Live callers: their features (callers, 3), and the bins of the canary's and the champion's scores."""

    features: Array
    canary: NDArray[np.intp]
    champion: NDArray[np.intp]


@dataclass(frozen=True)
class Asked:
    """What some requests add to the canary's counters: scores by bin, inputs by bin, and inputs unlike the hold-out."""

    scores: Array
    inputs: Array
    unlike: float


class Callers:
    """The callers of one rollout, and the hold-out that its canary was compared on."""

    def __init__(self, moved: float, fault: CanaryFault, rng: np.random.Generator) -> None:
        """`moved` is how far the third feature's mean is from the hold-out's, in deviations."""
        self._pool, self._rng = pool(moved, fault), rng
        rows = rng.normal(size=(_HOLDOUT_ROWS, len(_SLOPES)))
        canary, champion = (score_bin(scores)[:, None] <= np.arange(BINS) for scores in _scores(rows))
        apart = canary.astype(np.float64) - champion
        shift, error = apart.mean(axis=0), apart.std(axis=0) / np.sqrt(_HOLDOUT_ROWS)
        self.holdout = HoldoutShift(tuple(shift.tolist()), tuple(error.tolist()))
        binned = {f"feature {place}": bin_number("number", 1.0, rows[:, place]) for place in range(len(_SLOPES))}
        population = fitted(_NO_DIGEST, {name: each for name, each in binned.items() if each is not None}, apart)
        if population is None:
            raise ArithmeticError("a hold-out of normal features has rows in every bin")
        self._expected = ExpectedShift(population)
        self._bins = [each.bins for each in population.features.values() if isinstance(each.bins, NumberBins)]
        self._champion = np.bincount(self._pool.champion, minlength=BINS) / _POOL

    def of_champion(self, requests: int) -> Array:
        """The champion's scores by bin for some requests."""
        return self._rng.multinomial(requests, self._champion).astype(np.float64)

    def of_canary(self, requests: int) -> Asked:
        """What some requests add to the canary's counters."""
        chosen = self._rng.integers(_POOL, size=requests)
        features = self._pool.features[chosen]
        like, places, first = np.ones(requests, dtype=bool), [], 0
        for bins, values in zip(self._bins, features.T, strict=True):
            like &= (values >= bins.low) & (values <= bins.high)
            places.append(first + np.searchsorted(np.array(bins.edges), values, side="left"))
            first += bins.number
        inputs = np.bincount(np.concatenate([each[like] for each in places]), minlength=first)
        scores = np.bincount(self._pool.canary[chosen], minlength=BINS)
        return Asked(scores.astype(np.float64), inputs.astype(np.float64), float((~like).sum()))

    def nothing(self) -> Asked:
        """The counters of a canary that has answered nothing."""
        return Asked(np.zeros(BINS), np.zeros(sum(bins.number for bins in self._bins)), 0.0)

    def expectation(self, inputs: Array, unlike: float) -> LiveExpectation | None:
        """What a server tells of these inputs."""
        live = self._expected.of(inputs.tolist())
        if live is None:
            return None
        far = tuple(sorted(live.distance.items()))
        return LiveExpectation(live.inputs, unlike, live.shift, live.unexplained, live.sampled, far)


@lru_cache(maxsize=8)
def pool(moved: float, fault: CanaryFault) -> LiveCallers:
    """The live callers of a world; always the same."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(_POOL, len(_SLOPES)))
    features[:, 2] += moved
    canary, champion = _scores(features)
    if fault == "wrong unit":
        canary = _scores(features * (1, 1, 100))[0]
    if fault == "shifted":
        hit = (canary < np.median(canary)) & (rng.random(_POOL) < _SHIFTED)
        canary = np.where(hit, 1 - canary, canary)
    return LiveCallers(features, score_bin(canary), score_bin(champion))


def _scores(features: Array) -> tuple[Array, Array]:
    """The canary's and the champion's scores."""
    parts = features * _SLOPES
    known = _SHRUNK * (_INTERCEPT + parts[:, 0] + parts[:, 1])
    return 1 / (1 + np.exp(-_INTERCEPT - parts.sum(axis=1))), 1 / (1 + np.exp(-known))
