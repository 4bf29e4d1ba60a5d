"""Evidence that one mean is larger than another, valid at every look: the judge's statistics.

Two arms serve one stream of requests. `x` in [0, 1] is the observation of a request
(an error: 0 or 1; a loss: in between), `mu_c` and `mu_b` are its means at the canary
and the champion, `w` is the canary's share. The null hypothesis is
`mu_c - mu_b <= bound` in every stratum (the time during which one weight was set).

**The bet.** For fixed numbers `0 < m < 1` and `bet > 0`, with `a = bet / w` and
`b = bet / (1 - w)`, each observation multiplies the wealth `W` by

    canary:   1 + a (x - m - bound)        champion:   1 - b (x - m)

(betting on bounded means: Waudby-Smith and Ramdas 2023). With the growth-optimal
`m` this is the e-variable of Turner, Ly and Grünwald (2024) for two samples.

**Why it is valid.** Let `d = mu_b - m`. Given the past and the arm, a canary
observation multiplies the expectation by at most `1 + a d` under the null, a
champion's by `1 - b d`. So for each `mu_b`, `W / G(d)` with `G(d) = (1 + a d)^n_c
(1 - b d)^n_b` is a supermartingale that starts at 1, however the arm is chosen, and
the smaller `W / max_d G(d)` is an e-process (Ramdas et al. 2023, section 4). The
maximum has a closed form: `log G` is concave with its top at
`d = (n_c a - n_b b) / (n a b)`, where `G` is `exp(n KL(n_c/n, w))`. This is the price
of a share that differs from the one that was set; it is near 1 when the share is right.
By Ville's inequality (1939), P(e >= 1/alpha at any look) <= alpha.

**If the base rate drifts inside a stratum**, the bound still holds as long as the
arms' share does not drift with it: `sum_t w log(1 + a d_t) + (1 - w) log(1 - b
d_t) <= n max_d [...]` term by term. Simpson's paradox needs both to move, and the
share moves only between strata, each of which has its own `max_d`.

**Mixing.** `W` depends on counts alone, not on the order of observations, their
batches or the replica that counted them. A mean of e-processes is an e-process, so
bets are mixed over a fixed grid (`Prior`) of base rates, gaps beyond the bound and
spreads, and also over the traffic share really given and the moment at which bets
begin (Shin, Ramdas and Rinaldo 2023): harm that begins late is not hidden by what was
good before. A moment that is left out counts as lost, so any of them may be left out
at any look. In each stratum a little of the wealth is not bet. Inside the mixture the
strata multiply, so the base rate is paid for once, not once per stratum.

Evidence for *less* than the bound is the same question about `1 - x` and `-bound`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.judge.evidence.counts import MOMENTS
from services.judge.statistics.kept import Kept

Array = NDArray[np.float64]

#: Possible true shares of the gateway, as multiples of the weight's odds, and their probabilities.
SHARE_ODDS = (1.0, 0.35, 0.55, 0.75, 0.9, 1.12, 1.4)
SHARE_PRIOR = (0.86,) + (0.02,) * 6
#: Part of each stratum's wealth that is not bet, so that a share far from the weight cannot ruin the other strata.
KEPT = 0.02
#: Probability that bets begin with the first stratum. Otherwise they skip the first strata, in which labels
#: may still belong to answers from before the weight rose.
AT_ONCE = 0.8
#: Probability that bets begin at one of the rollout's moments within a stratum, the same for each.
WITHIN = 0.1
#: The largest bet, as a part of the bet at which a factor reaches zero; it keeps every logarithm finite.
_LARGEST_BET = 0.98
_HALVINGS = 8
#: Strata's wealths and bets are kept in so many bytes each. The bets of seven weights take some 60 MiB with the bins in
#: order, and those of one weight as much with a hundred classes.
_KEPT_BYTES = 96 * 2**20
#: Means closer than this to the ends of their range are moved inwards.
_EDGE = 1e-5


@dataclass(frozen=True)
class Arms:
    """Counts of one stratum.

    `canary` and `champion` hold the number of observations with each value; shape (rollouts, bounds,
    values). `weight` is the canary's share of traffic that was set, in (0, 1). `later` holds the counts of
    the same stratum since moments within it, which are among the rollout's `MOMENTS`. `safe` holds the counts on which
    safety is judged, if they are others.
    """

    weight: float
    canary: Array
    champion: Array
    later: tuple[Arms, ...] = ()
    safe: Arms | None = None

    def wealth(self, values: tuple[float, ...], bounds: tuple[float, ...], prior: Prior) -> Array:
        """Log wealth of each alternative after the price of the share; shape (bounds, rollouts, alternatives)."""
        return _stratum(self, values, bounds, prior)


@dataclass(frozen=True)
class Prior:
    """The alternatives to bet on. They decide how fast evidence grows, never whether it is valid.

    `bases` are means of the champion, `gaps` distances beyond the bound, `spreads` variances
    relative to that of a 0/1 variable with the same mean; each with its probability.
    """

    bases: tuple[tuple[float, float], ...]
    gaps: tuple[tuple[float, float], ...]
    spreads: tuple[tuple[float, float], ...] = ((1.0, 1.0),)

    def flipped(self) -> Prior:
        """The same beliefs about `1 - x`."""
        return Prior(tuple((1 - base, p) for base, p in self.bases), self.gaps, self.spreads)


def log_evidence(strata: Sequence[Arms], values: tuple[float, ...], bounds: tuple[float, ...], prior: Prior) -> Array:
    """Logarithm of the e-process against `mu_c - mu_b <= bound`; shape (rollouts, bounds).

    `values` are the possible values of `x`, in the order of the counts' last axis.
    """
    joint = np.log(_joint(prior))
    suffix: Array = np.zeros(())
    late, within = [], []
    for arms in reversed(strata):
        within += [log_mean(suffix + part.wealth(values, bounds, prior), joint).T for part in arms.later]
        suffix = suffix + arms.wealth(values, bounds, prior)
        late.append(log_mean(suffix, joint).T)
    if not strata:
        return np.zeros((1, len(bounds)))
    idle = np.zeros_like(late[0])
    chances = [*((1 - WITHIN) * _starts(len(strata))), *[WITHIN / MOMENTS] * len(within)]
    return log_mean(np.stack([*reversed(late), idle, *within], axis=-1), np.log(chances))


def _starts(strata: int) -> Array:
    """The probabilities that bets begin with each stratum, and (last) with a stratum still to come."""
    k = np.arange(1, strata + 1)
    later = (1 - AT_ONCE) / (k * (k + 1))
    return np.array([AT_ONCE, *later[:-1], (1 - AT_ONCE) / strata])


def log_evidence_below(
    strata: Sequence[Arms], values: tuple[float, ...], bounds: tuple[float, ...], prior: Prior
) -> Array:
    """Logarithm of the e-process against `mu_c - mu_b >= bound`; shape (rollouts, bounds)."""
    flipped = tuple(1 - value for value in values)
    return log_evidence(strata, flipped, tuple(-bound for bound in bounds), prior.flipped())


def _stratum(arms: Arms, values: tuple[float, ...], bounds: tuple[float, ...], prior: Prior) -> Array:
    """The wealth; that of a single rollout is kept."""
    if len(arms.canary) != 1:
        return _wealth(arms, values, bounds, prior)
    canary, champion = (np.asarray(table, dtype=np.float64).tobytes() for table in (arms.canary, arms.champion))
    return _known_wealth(arms.weight, canary, champion, values, bounds, prior)


def _one_wealth(
    weight: float, canary: bytes, champion: bytes, values: tuple[float, ...], bounds: tuple[float, ...], prior: Prior
) -> Array:
    """The wealth of one rollout. A stratum that is over is asked for at every look, and never changes again."""
    ours, theirs = (np.frombuffer(table).reshape(1, -1, len(values)) for table in (canary, champion))
    wealth = _wealth(Arms(weight, ours, theirs), values, bounds, prior)
    wealth.flags.writeable = False
    return wealth


#: A wealth is asked for by counts of about a third of its size.
_known_wealth = Kept(_one_wealth, _KEPT_BYTES, lambda wealth: 2 * wealth.nbytes)


def _wealth(arms: Arms, values: tuple[float, ...], bounds: tuple[float, ...], prior: Prior) -> Array:
    bets = _bets(arms.weight, values, bounds, prior)
    counts = np.ascontiguousarray(np.swapaxes(np.concatenate([arms.canary, arms.champion], axis=-1), 0, 1))
    n_c, n_b = (counts[..., part].sum(-1) for part in (slice(len(values)), slice(len(values), None)))
    wealth = counts @ bets.log_factors - _share_price(np.stack([n_c, n_b], axis=-1), bets)
    by_share = wealth.reshape(*wealth.shape[:-1], len(SHARE_ODDS), -1)
    bet = log_mean(by_share, np.log(SHARE_PRIOR)[:, None], axis=-2)
    return np.logaddexp(bet, np.log(KEPT))


@dataclass(frozen=True)
class _Bets:
    """One bet for each share and alternative, flattened to G = shares x alternatives.

    - `log_factors` (bounds, 2 * values, G): logarithm of an observation's factor, canary first, then champion.
    - `lowest`, `highest` (bounds, 2, G): logarithms of `1 + a d` and `1 - b d` at the ends of the base rates
      that the null allows.
    - `least_share`, `most_share` (bounds, 1, G): the canary's shares at which the maximum of `G(d)` reaches
      these ends.
    - `log_share` (2, G): logarithms of the canary's and the champion's share.
    """

    log_factors: Array
    lowest: Array
    highest: Array
    least_share: Array
    most_share: Array
    log_share: Array

    @property
    def bytes(self) -> int:
        """Their size in memory."""
        return sum(part.nbytes for part in vars(self).values())


def _share_price(totals: Array, bets: _Bets) -> Array:
    """`log max_d G(d)` over the base rates that the null allows; `totals` are n_c and n_b on the last axis."""
    shares = totals / np.maximum(totals.sum(-1, keepdims=True), 1.0)
    known = (totals * np.log(np.where(shares > 0, shares, 1.0))).sum(-1, keepdims=True)
    price: Array = known - totals @ bets.log_share
    share = shares[..., :1]
    for outside, end in ((share < bets.least_share, bets.lowest), (share > bets.most_share, bets.highest)):
        if outside.any():
            price = np.where(outside, totals @ end, price)
    return price


def _new_bets(weight: float, values: tuple[float, ...], bounds: tuple[float, ...], prior: Prior) -> _Bets:
    bound = np.array(bounds)[:, None]
    base, gap, spread = (grid.ravel() for grid in np.meshgrid(*_grids(prior), indexing="ij"))
    odds = weight / (1 - weight) * np.array(SHARE_ODDS)
    share = np.repeat(odds / (1 + odds), base.size)
    base, gap, spread = (np.tile(grid, len(SHARE_ODDS)) for grid in (base, gap, spread))
    lowest, highest = np.maximum(0, -bound), np.minimum(1, 1 - bound)
    m, bet = _growth_optimal(base, gap, spread, share, bound, lowest, highest)
    a, b = bet / share, bet / (1 - share)
    x = np.array(values)[None, :, None]
    middle, a3, b3 = m[:, None, :], a[:, None, :], b[:, None, :]
    ends = [np.stack([a * (end - m), -b * (end - m)], axis=1) for end in (lowest, highest)]
    # The top of log G is at d = (p a - (1 - p) b) / (a b) for a canary's share p, which rises with p.
    shares = [((end - m) * a * b + b) / (a + b) for end in (lowest, highest)]
    return _Bets(
        log_factors=np.log1p(np.concatenate([a3 * (x - middle - bound[:, None]), -b3 * (x - middle)], axis=1)),
        lowest=np.log1p(ends[0]), highest=np.log1p(ends[1]),
        least_share=shares[0][:, None, :], most_share=shares[1][:, None, :],
        log_share=np.log(np.stack([share, 1 - share])),
    )  # fmt: skip


_bets = Kept(_new_bets, _KEPT_BYTES, lambda bets: bets.bytes)


def _growth_optimal(
    base: Array, gap: Array, spread: Array, share: Array, bound: Array, lowest: Array, highest: Array
) -> tuple[Array, Array]:
    """`m` and the bet with the fastest growth if the champion's mean is `base` and the canary's gap is `gap`.

    For 0/1 variables the best pair is the likelihood ratio against the nearest null
    (m + bound, m): `w a = (1 - w) b` with `a` and `b` as in that ratio, solved by halving.
    A smaller spread allows a larger bet.
    """
    low = np.clip(base, _EDGE, 1 - 2 * _EDGE)
    high = np.clip(base + gap, low + _EDGE, 1 - bound - _EDGE)
    inside = _EDGE * (highest - lowest)
    left, right = np.clip(low, lowest + inside, highest - inside), np.clip(high, lowest + inside, highest - inside)
    for _ in range(_HALVINGS):
        m = (left + right) / 2
        rising = share * _ratio_slope(high, m, bound) > (1 - share) * (m - low) / (m * (1 - m))
        left, right = np.where(rising, m, left), np.where(rising, right, m)
    m = (left + right) / 2
    limit = np.minimum(share / (m + bound), (1 - share) / (1 - m))
    best = share * _ratio_slope(high, m, bound) / spread
    # Where even base + gap is below everything that the null allows, any bet wins; half of the largest is enough.
    bet = np.where(best > 0, np.minimum(best, _LARGEST_BET * limit), limit / 2)
    return m, bet


def _ratio_slope(high: Array, m: Array, bound: Array) -> Array:
    """`a` of the likelihood ratio of a 0/1 variable with mean `high + bound` against `m + bound`."""
    slope: Array = (high - m) / ((m + bound) * (1 - m - bound))
    return slope


def _grids(prior: Prior) -> list[Array]:
    return [np.array([value for value, _ in grid]) for grid in (prior.bases, prior.gaps, prior.spreads)]


def _joint(prior: Prior) -> Array:
    """The prior probability of each alternative, summing to 1."""
    parts = [np.array([p for _, p in grid]) for grid in (prior.bases, prior.gaps, prior.spreads)]
    joint = parts[0][:, None, None] * parts[1][None, :, None] * parts[2][None, None, :]
    flat: Array = joint.ravel() / joint.sum()
    return flat


def log_mean(logs: Array, log_weights: Array, axis: int = -1) -> Array:
    """Logarithm of the weighted mean of exponentials over an axis."""
    weighted = logs + log_weights
    top = weighted.max(axis, keepdims=True)
    mean: Array = np.log(np.exp(weighted - top).sum(axis)) + np.squeeze(top, axis)
    return mean
