"""The nine families of a public benchmark of canary judges, made by a generator of our own from their description.

The benchmark (VladStefanDieaconu/kayenta-ai-canary-judge) names them; its data is not used. Three may stay, six are
to be failed. Every effect is twice the margin of its signal (of latency: of the threshold that it exceeds most):

- no change: two equal versions;
- equal noise: errors and slow answers of both sides go up and down together from look to look, by a lognormal factor
  with a deviation of 0.5;
- healed transient: errors are at twice the margin for three looks, from the third on, and then as before;
- mean shift: all latencies are longer by one factor;
- subtle regression: errors rise by twice the margin, the least harm that is to be found;
- variance: latencies spread, and their mean stays;
- tail: the share slower than 4 times the objective rises by twice its margin, which is a quarter of `slow_ratio`; the
  share slower than the objective itself rises by half of its margin only;
- gradual drift: the factor of the mean shift grows over the first 20 looks (10 minutes), and stays;
- several small degradations: errors, the factor of the mean shift, and a shift of scores, each twice its margin.

Degradations that are each below their margins may stay, however many they are: the judge promises nothing about their
sum. A tenth family shows it, with each at half of its margin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

from components.spec.contract import Harm
from services.judge.simulate.world import DEVIATION, MEDIAN, SimulatedVersion, champion, harmed, lognormal, with_slower
from services.judge.statistics.evalue import Array
from services.judge.statistics.latency import COLUMN, scales

Pair = tuple[SimulatedVersion, SimulatedVersion]
_TIMES, _NOISE = 2.0, 0.5
_TRANSIENT, _DRIFT_LOOKS = range(2, 5), 20


@dataclass(frozen=True)
class Family:
    """A family: whether its canary may stay, and the two versions (champion, canary) at a look, counted from 0.

    Equal noise draws from the generator.
    """

    name: str
    may_stay: bool
    versions: Callable[[int, np.random.Generator], Pair]


def slower_by_factor(factor: float) -> Array:
    """The champion's latency with every answer longer by a factor; shares of the bands."""
    return lognormal(factor * MEDIAN, DEVIATION)


def spread(times: float) -> Array:
    """The champion's latency with a deviation `times` as large and the same mean; shares of the bands."""
    deviation = times * DEVIATION
    return lognormal(MEDIAN * float(np.exp((DEVIATION**2 - deviation**2) / 2)), deviation)


def margins_exceeded(latency: Array) -> float:
    """The largest rise of a judged share of slower requests, in margins of its own."""
    harm, beyond = Harm(), np.cumsum((latency - champion().latency)[::-1])[::-1][1:]
    rises = dict(zip(COLUMN, beyond.tolist(), strict=True))
    return max(float(rises[times] / (scale * (harm.slow_ratio or 1.0))) for times, scale in scales(harm).items())


@lru_cache
def size(latency: Callable[[float], Array], margins: float) -> float:
    """The parameter of `latency` above 1 at which the largest rise is so many margins."""
    return float(brentq(lambda at: margins_exceeded(latency(at)) - margins, 1.0, 3.0))


def _no_change(look: int, rng: np.random.Generator) -> Pair:
    del look, rng
    return champion(), champion()


def _noise(look: int, rng: np.random.Generator) -> Pair:
    del look
    usual, times = champion(), float(rng.lognormal(0, _NOISE))
    noisy = replace(usual, error=min(times * usual.error, 0.5), latency=_times_slow(usual.latency, times))
    return noisy, noisy


def _times_slow(latency: Array, times: float) -> Array:
    beyond, first = np.cumsum(latency[::-1])[::-1], list(COLUMN).index("1") + 1
    much = np.where(np.arange(latency.size) >= first, min(times, 0.5 / beyond[first]), 0.0) * latency
    fast = np.where(np.arange(latency.size) < first, latency, 0.0)
    noisy: Array = much + fast * (1 - much.sum()) / fast.sum()
    return noisy


def _transient(look: int, rng: np.random.Generator) -> Pair:
    return _subtle(look, rng) if look in _TRANSIENT else _no_change(look, rng)


def _mean_shift(look: int, rng: np.random.Generator) -> Pair:
    del look, rng
    return champion(), replace(champion(), latency=slower_by_factor(size(slower_by_factor, _TIMES)))


def _subtle(look: int, rng: np.random.Generator) -> Pair:
    del look, rng
    return champion(), harmed(champion(), "error_ratio", _TIMES * (Harm().error_ratio or 0.0))


def _variance(look: int, rng: np.random.Generator) -> Pair:
    del look, rng
    return champion(), replace(champion(), latency=spread(size(spread, _TIMES)))


def _tail(look: int, rng: np.random.Generator) -> Pair:
    del look, rng
    harm = Harm()
    rise = _TIMES * scales(harm)["4"] * (harm.slow_ratio or 0.0)
    return champion(), replace(champion(), latency=with_slower(champion().latency, {"4": rise}))


def _drift(look: int, rng: np.random.Generator) -> Pair:
    del rng
    factor = 1 + (size(slower_by_factor, _TIMES) - 1) * min((look + 1) / _DRIFT_LOOKS, 1.0)
    return champion(), replace(champion(), latency=slower_by_factor(factor))


def _several(margins: float) -> Callable[[int, np.random.Generator], Pair]:
    def versions(look: int, rng: np.random.Generator) -> Pair:
        del look, rng
        harm = Harm()
        worse = harmed(champion(), "error_ratio", margins * (harm.error_ratio or 0.0))
        worse = harmed(worse, "score_shift", margins * (harm.score_shift or 0.0))
        return champion(), replace(worse, latency=slower_by_factor(size(slower_by_factor, margins)))

    return versions


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("no change", may_stay=True, versions=_no_change),
        Family("equal noise", may_stay=True, versions=_noise),
        Family("healed transient", may_stay=True, versions=_transient),
        Family("mean shift", may_stay=False, versions=_mean_shift),
        Family("subtle regression", may_stay=False, versions=_subtle),
        Family("variance", may_stay=False, versions=_variance),
        Family("tail", may_stay=False, versions=_tail),
        Family("gradual drift", may_stay=False, versions=_drift),
        Family("several small degradations", may_stay=False, versions=_several(_TIMES)),
        Family("several below their margins", may_stay=True, versions=_several(0.5)),
    )
}
#: The last one is no family of the benchmark.
BENCHMARK = tuple(FAMILIES)[:9]
