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
from services.judge.evidence.exposition import InputSums
from services.judge.statistics.evalue import Array
from services.telemetry import WAVES

#: What is wrong with the canary: nothing, its model takes the third feature in hundredths, its scores are shifted, or
#: its server reads the third feature higher than callers sent it.
CanaryFault = Literal["", "wrong unit", "shifted", "misread"]

_HOLDOUT_ROWS: Final = 1366
#: The logarithm of the odds without any feature, and what each feature adds.
_INTERCEPT, _SLOPES = -1.2, (1.1, 0.7, 0.9)
FEATURES: Final = tuple(f"feature {place}" for place in range(len(_SLOPES)))
#: Without the third feature odds are nearer to even: by the logistic function's likeness to the normal one.
_SHRUNK: Final = 1 / np.sqrt(1 + np.pi / 8 * _SLOPES[2] ** 2)
#: So many live callers are made once, and picked from again and again.
_POOL: Final = 200_000
#: A shifted canary gives this part of the lower half of its answers the highest scores: more than twice the margin.
_SHIFTED: Final = 0.3
#: How much higher a server that misreads a feature reads it, in deviations.
_MISREAD: Final = 0.8
_NO_DIGEST: Final = "sha256:" + "0" * 64


@dataclass(frozen=True)
class LiveCallers:
    """Live callers: their features as the canary reads them (callers, 3), and the bins of both versions' scores.

    `waves` and `champion_waves` hold a row for each as both versions' servers count them (callers, 2 + 3 * WAVES).
    """

    features: Array
    waves: Array
    champion_waves: Array
    canary: NDArray[np.intp]
    champion: NDArray[np.intp]


@dataclass(frozen=True)
class Asked:
    """What some requests add to a version's counters: scores and inputs by bin, inputs unlike the hold-out, waves."""

    scores: Array
    inputs: Array
    unlike: float
    waves: Array

    def __add__(self, other: Asked) -> Asked:
        return Asked(
            self.scores + other.scores, self.inputs + other.inputs, self.unlike + other.unlike, self.waves + other.waves
        )


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
        binned = {name: bin_number("number", 1.0, rows[:, place]) for place, name in enumerate(FEATURES)}
        population = fitted(_NO_DIGEST, {name: each for name, each in binned.items() if each is not None}, apart)
        if population is None:
            raise ArithmeticError("a hold-out of normal features has rows in every bin")
        self._expected = ExpectedShift(population)
        self._bins = [each.bins for each in population.features.values() if isinstance(each.bins, NumberBins)]

    def of_champion(self, requests: int) -> Asked:
        """What some requests add to the champion's counters; its package tells no bins of inputs."""
        chosen = self._rng.integers(_POOL, size=requests)
        scores = np.bincount(self._pool.champion[chosen], minlength=BINS).astype(np.float64)
        return Asked(scores, np.zeros(0), 0.0, self._pool.champion_waves[chosen].sum(axis=0))

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
        waves = self._pool.waves[chosen].sum(axis=0)
        return Asked(scores.astype(np.float64), inputs.astype(np.float64), float((~like).sum()), waves)

    def nothing(self, *, of_canary: bool = True) -> Asked:
        """The counters of a version that has answered nothing."""
        bins = sum(bins.number for bins in self._bins) if of_canary else 0
        return Asked(np.zeros(BINS), np.zeros(bins), 0.0, np.zeros(self._pool.waves.shape[1]))

    def expectation(self, asked: Asked) -> LiveExpectation | None:
        """What the canary's server tells of its inputs."""
        live = self._expected.of(asked.inputs.tolist())
        if live is None:
            return None
        far = tuple(sorted(live.distance.items()))
        return LiveExpectation(live.inputs, asked.unlike, live.shift, live.unexplained, live.sampled, far)


def input_sums(asked: Asked) -> InputSums:
    """What a server tells its inputs are like."""
    number, squares = asked.waves[:2].tolist()
    return InputSums(number, squares, dict(zip(FEATURES, asked.waves[2:].reshape(-1, len(WAVES)), strict=True)))


@lru_cache(maxsize=8)
def pool(moved: float, fault: CanaryFault) -> LiveCallers:
    """The live callers of a world; always the same."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(_POOL, len(_SLOPES)))
    features[:, 2] += moved
    canary, champion = _scores(features)
    sent = features
    if fault == "misread":
        features = features + np.array([0, 0, _MISREAD])
        canary = _scores(features)[0]
    if fault == "wrong unit":
        canary = _scores(features * (1, 1, 100))[0]
    if fault == "shifted":
        hit = (canary < np.median(canary)) & (rng.random(_POOL) < _SHIFTED)
        canary = np.where(hit, 1 - canary, canary)
    return LiveCallers(features, _waves(features), _waves(sent), score_bin(canary), score_bin(champion))


def _waves(features: Array) -> Array:
    """Each caller's part of what a server tells of its inputs (`services.model_server.waves`)."""
    once = np.exp(1j * np.arcsinh(features))
    parts = np.stack([once.real, once.imag, (once**4).real, (once**4).imag], axis=-1)
    return np.concatenate([np.ones((len(features), 2)), parts.reshape(len(features), -1)], axis=1)


def _scores(features: Array) -> tuple[Array, Array]:
    """The canary's and the champion's scores."""
    parts = features * _SLOPES
    known = _SHRUNK * (_INTERCEPT + parts[:, 0] + parts[:, 1])
    return 1 / (1 + np.exp(-_INTERCEPT - parts.sum(axis=1))), 1 / (1 + np.exp(-known))
