"""The signal `lost_ratio`: requests that the canary was given and that nobody counted, from its share of the traffic.

The gateway gives each request to the canary with the weight `w` as probability. If the canary loses a part `l` of
its requests (more than the champion does), those that are counted are the canary's with the probability

    p(l) = w (1 - l) / (w (1 - l) + 1 - w),

which falls with `l`. Against "at most `l`", the likelihood ratio of a larger loss to `l` is an e-process: given the
past, a counted request multiplies it by 1 on average if the loss is `l`, and by less if it is smaller. So is the
likelihood ratio of a smaller loss against "at least `l`". A mean over a fixed grid of losses, and over the weights at
which it may have begun, is an e-process again. A gateway that takes turns instead of throwing dice gives each side
less than its chance deviation, which makes the evidence smaller and never larger.

A share needs many requests before it tells little losses from none. So harm is what is beyond the margin, and safe is
what is surely below `SURELY`: a canary that loses a tenth of its requests is promoted with at most `false_alarm`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.judge.statistics.evalue import Array, log_mean

#: The loss below which a canary surely has to be before it gets all traffic, where its margin is smaller.
SURELY = 0.1
#: Losses to bet on, as parts of what lies between the bound and everything, and as parts of the bound.
_BEYOND = (0.02, 0.05, 0.1, 0.2, 0.5, 0.95)
_BELOW = (0.0, 0.4)
_MOST = 0.99
#: Losses among which the ends of the interval are searched.
_GRID = tuple(np.geomspace(0.001, _MOST, 160).tolist())


@dataclass(frozen=True)
class Shares:
    """The requests that arrived at both sides while one weight was set; `weight` in (0, 1), counts (rollouts,)."""

    weight: float
    canary: Array
    champion: Array


def log_lost(strata: Sequence[Shares], bound: float) -> Array:
    """Logarithm of the evidence that the canary loses more than `bound` of its requests; shape (rollouts,).

    Losses may begin at any of the weights; what was counted before is left out of the bets then.
    """
    suffix, begun = np.zeros(()), []
    losses = bound + (1 - bound) * np.array(_BEYOND)
    for shares in reversed(strata):
        suffix = suffix + _log_ratios(shares, losses, bound)
        begun.append(log_mean(suffix, np.full(len(losses), -math.log(len(losses)))))
    if not begun:
        return np.zeros(1)
    return log_mean(np.stack(begun, axis=-1), np.full(len(begun), -math.log(len(begun))))


def log_kept(strata: Sequence[Shares], bound: float) -> Array:
    """Logarithm of the evidence that the canary loses less than `bound` of its requests; shape (rollouts,)."""
    losses = bound * np.array(_BELOW)
    total = np.zeros((1, len(losses)))
    for shares in strata:
        total = total + _log_ratios(shares, losses, bound)
    return log_mean(total, np.full(len(losses), -math.log(len(losses))))


def surely_below(margin: float, share: float) -> float:
    """The loss that a canary with `share` in (0, 1] of the traffic must surely be below: the exposure rule."""
    return min(_MOST, max(SURELY, margin) / share)


def lost_interval(strata: Sequence[Shares], false_alarm: float, false_pass: float) -> tuple[float | None, float | None]:
    """The lowest and highest loss that the first rollout's counts allow at every look; None where none is ruled out."""
    lowest = [bound for bound in _GRID if log_lost(strata, bound)[0] >= -math.log(false_alarm)]
    highest = [bound for bound in _GRID if log_kept(strata, bound)[0] >= -math.log(false_pass)]
    return max(lowest, default=None), min(highest, default=None)


def seen_loss(strata: Sequence[Shares]) -> float:
    """The loss of the first rollout as the counts show it; negative where the canary has more than its share."""
    canary = sum(float(shares.canary[0]) for shares in strata)
    meant = sum(float(shares.champion[0]) * shares.weight / (1 - shares.weight) for shares in strata)
    return 1 - canary / meant if meant else 0.0


def _log_ratios(shares: Shares, losses: Array, bound: float) -> Array:
    """Logarithm of the likelihood of each loss beside that of the bound; shape (rollouts, losses)."""
    against, instead = _probability(shares.weight, np.array([bound])), _probability(shares.weight, losses)
    ratios: Array = shares.canary[:, None] * np.log(instead / against) + shares.champion[:, None] * np.log(
        (1 - instead) / (1 - against)
    )
    return ratios


def _probability(weight: float, losses: Array) -> Array:
    """The probability that a counted request is the canary's."""
    kept = weight * (1 - losses)
    return kept / (kept + 1 - weight)
