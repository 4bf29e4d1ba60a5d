"""Other judges of a canary, on the same counts: what each is, and from which description it was made again.

All of them compare shares of requests (errors; slower than 1, 2 and 4 times the objective) at each look, with the
same margins as the judge, at the level `false_alarm` divided by the number of shares. Counts have the shape (rollouts,
looks, sides, 1 + shares): champion and canary, their requests in that look and how many of these fall into each share.

- A threshold on one interval, as Flagger and Argo Rollouts have it: the lowest that a canary at its margin exceeds
  seldom enough (see `thresholds`). It is given the champion's true share, which nobody has.
- A cumulative z test with Pocock's bound (1977): all requests so far, against a bound that all looks share.
- An asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021, the one-sided form), with
  GrowthBook's tuning for 5,000 observations.
- Kayenta's Mann-Whitney judge, made again from its public description and source (NetflixACAJudge): the values of each
  look are observations; a metric is High where the lower end of the 98 % interval of the Hodges-Lehmann estimate is
  above a quarter of that estimate; one such metric of four leaves a score of 75, below the 95 that a pass usually
  needs. It has no margin. Here it judges four times, after each quarter of the looks; outliers are not removed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from components.spec.contract import Harm
from services.judge.simulate.thresholds import calibrated
from services.judge.statistics.evalue import Array
from services.judge.statistics.latency import scales

#: GrowthBook's default: the number of observations at which the sequence is tightest.
_TUNED_FOR = 5000
#: Kayenta's confidence, its tolerance as a part of the estimate, and the share of the looks at which it judges.
_CONFIDENCE, _TOLERANCE, _JUDGED = 0.98, 0.25, (0.25, 0.5, 0.75, 1.0)
#: Pocock's bound is found by integrals over so many points, from this lowest value on.
_NODES, _LOWEST = 300, -8.0


@dataclass(frozen=True)
class Stakes:
    """What the rivals of one canary are given: the margins and the champion's true shares, and the level of each."""

    margins: tuple[float, ...]
    usual: tuple[float, ...]
    level: float


#: A rival finds the number of looks until it fails each rollout, infinite if it never does; (rollouts,).
Rival = Callable[[Array, Stakes], Array]


def margins(harm: Harm) -> tuple[float, ...]:
    """The margins of errors, and of requests slower than 1, 2 and 4 times the objective."""
    return (harm.error_ratio or 1.0, *((harm.slow_ratio or 1.0) * scale for scale in scales(harm).values()))


def threshold(counts: Array, stakes: Stakes) -> Array:
    """A look's share above the threshold; the number of requests of a look is taken as its mean."""
    looks, requests = counts.shape[1], round(float(counts[:, :, 1, 0].mean()))
    limits = [
        calibrated("", base + margin, requests, looks, stakes.level).max_error_ratio
        for base, margin in zip(stakes.usual, stakes.margins, strict=True)
    ]
    shares = counts[:, :, 1, 1:] / np.maximum(counts[:, :, 1, :1], 1)
    above: NDArray[np.bool_] = np.any(shares > np.array(limits) + 1e-12, axis=-1)
    return _first(above)


def pocock(counts: Array, stakes: Stakes) -> Array:
    """The difference of all requests so far, in standard errors, above Pocock's bound.

    The variance is that of a canary at its margin (a score test), with which the test is fastest.
    """
    total = np.cumsum(counts, axis=1)
    requests = np.maximum(total[..., :1], 1)
    shares = total[..., 1:] / requests
    champion = (total[:, :, 0, 1:] + 0.5) / (requests[:, :, 0] + 1)
    allowed = np.minimum(champion + np.array(stakes.margins), 1)
    variance = allowed * (1 - allowed) / requests[:, :, 1] + champion * (1 - champion) / requests[:, :, 0]
    z = (shares[:, :, 1] - shares[:, :, 0] - np.array(stakes.margins)) / np.sqrt(variance)
    above = z > pocock_bound(counts.shape[1], stakes.level)
    return _first(above.any(-1))


def confidence_sequence(counts: Array, stakes: Stakes) -> Array:
    """The lower end of the asymptotic confidence sequence of the difference above the margin."""
    difference, variance, requests = _so_far(counts)
    log = -2 * np.log(2 * stakes.level)
    squared = (log + np.log(log + 1)) / _TUNED_FOR
    wider = requests * squared + 1
    width = np.sqrt(2 * variance * wider / (requests * squared) * np.log1p(np.sqrt(wider) / (2 * stakes.level)))
    above = difference - width > np.array(stakes.margins)
    return _first(above.any(-1))


def kayenta(counts: Array, stakes: Stakes) -> Array:
    """A metric that is High at one of the four judgements; `stakes` are not considered."""
    del stakes
    shares = counts[..., 1:] / np.maximum(counts[..., :1], 1)
    failed: Array = np.full(len(counts), np.inf)
    for part in reversed(_JUDGED):
        looks = round(part * counts.shape[1])
        high = [
            is_high(shares[:, :looks, 1, metric], shares[:, :looks, 0, metric]) for metric in range(shares.shape[-1])
        ]
        failed = np.where(np.any(high, axis=0), float(looks), failed)
    return failed


#: By name, in the order of the tables.
RIVALS: dict[str, Rival] = {
    "threshold on one interval": threshold,
    "z test, Pocock's bound": pocock,
    "asymptotic confidence sequence": confidence_sequence,
    "Kayenta's Mann-Whitney judge": kayenta,
}


def is_high(canary: Array, champion: Array) -> NDArray[np.bool_]:
    """Whether a metric is High for Kayenta; both sides are (rollouts, values), compared in rank with each other.

    The ends of the interval are the order statistics of all differences that the normal approximation of the
    Mann-Whitney statistic gives (Hodges and Lehmann 1963; Hollander, Wolfe and Chicken 2014, section 4.3).
    """
    n, m = canary.shape[1], champion.shape[1]
    spread = norm.isf((1 - _CONFIDENCE) / 2) * np.sqrt(n * m * (n + m + 1) / 12)
    lower = max(int(n * m / 2 - spread), 0)
    high = np.zeros(len(canary), dtype=bool)
    for at, (ours, theirs) in enumerate(zip(canary, champion, strict=True)):
        differences = np.partition((ours[:, None] - theirs).ravel(), (lower, n * m // 2))
        high[at] = differences[lower] > _TOLERANCE * abs(differences[n * m // 2])
    return high


@lru_cache
def pocock_bound(looks: int, level: float) -> float:
    """The bound that a z test crosses with this probability at any of so many looks, equally many requests apart."""
    low, high = norm.isf(level) - 1e-3, norm.isf(level / looks) + 1e-3
    return float(brentq(lambda bound: _crossed(looks, bound) - level, low, high, xtol=1e-3))


def _crossed(looks: int, bound: float) -> float:
    """P(S_k / sqrt(k) > bound for any k <= looks), S_k a sum of k standard normals (Armitage, McPherson, Rowe 1969)."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    reach = (bound - _LOWEST) / 2
    points, weights = _LOWEST + reach * (nodes + 1), reach * weights
    density = np.exp(-(points**2) / 2) / np.sqrt(2 * np.pi)
    for look in range(2, looks + 1):
        # In units of sqrt(k): the last sum is scaled, and one more standard normal is added.
        apart = (points[:, None] - np.sqrt((look - 1) / look) * points) * np.sqrt(look)
        density = np.exp(-(apart**2) / 2) @ (weights * density) * np.sqrt(look / (2 * np.pi))
    return float(1 - weights @ density)


def _so_far(counts: Array) -> tuple[Array, Array, Array]:
    """After each look: the differences of the shares, their variances, and the requests of both sides."""
    total = np.cumsum(counts, axis=1)
    requests = np.maximum(total[..., :1], 1)
    shares = total[..., 1:] / requests
    # A share of 0 or 1 has no variance yet; half a request more keeps it from being certain.
    near = (total[..., 1:] + 0.5) / (requests + 1)
    variance = (near * (1 - near) / requests).sum(2)
    return shares[:, :, 1] - shares[:, :, 0], variance, total[..., 0].sum(-1)[..., None]


def _first(failed: NDArray[np.bool_]) -> Array:
    """The number of looks until the first that failed, infinite without one; (rollouts, looks) -> (rollouts,)."""
    return np.where(failed.any(1), failed.argmax(1) + 1.0, np.inf)
