"""The time in the shadow before a canary of strategy shadow-then-canary: pairs until an equal version passes it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from components.spec.contract import Rollout
from components.spec.quantities import time_text
from services.judge.plan.playing import AssumedTraffic
from services.judge.shadow.first import SHADOW_SHARE
from services.judge.simulate.pairs import simulated_pairs
from services.judge.simulate.rollouts import HOLDOUT
from services.judge.simulate.world import interpolated
from services.judge.statistics.evalue import Array
from services.judge.statistics.paired import PairedSignal, paired_signals

#: Where no more pairs than this are enough, no time is.
_MOST_PAIRS = 300_000
#: A look comes when there are so many more pairs than at the last.
_GROWTH = 1.05


@dataclass(frozen=True)
class ShadowFigures:
    """Until an equal version passes the shadow, in nine of ten cases: seconds, and copied requests, by signal."""

    seconds: dict[str, float]
    copies: dict[str, float]
    deadline_seconds: float

    @property
    def longest(self) -> float:
        """The seconds until every signal has passed."""
        return max(self.seconds.values(), default=0.0)

    @property
    def fits(self) -> bool:
        """Whether that is before the shadow's deadline."""
        return self.longest <= self.deadline_seconds


def shadow_figures(rollout: Rollout, traffic: AssumedTraffic, rollouts: int, seed: int) -> ShadowFigures:
    """The figures of the shadow before a canary, for two versions whose answers go together as those of the demo's do.

    Each request is copied with the probability `rollout.shadow.ratio`; labels come to a part of the answers, later.
    """
    rng, looks = np.random.default_rng(seed), rollout.interval_seconds
    copied = traffic.rate * rollout.shadow.ratio
    seconds: dict[str, float] = {}
    copies: dict[str, float] = {}
    for signal in paired_signals(rollout.harm, rollout.false_alarm * SHADOW_SHARE, HOLDOUT):
        share = traffic.labelled if signal.name == "label_loss" else 1.0
        pairs = _pairs_needed(signal, rollout.false_alarm, rollouts, rng)
        copies[signal.name] = pairs / share if share else math.inf
        later = traffic.label_delay_seconds if signal.name == "label_loss" else 0.0
        seconds[signal.name] = copies[signal.name] / copied + later + looks / 2
    return ShadowFigures(seconds, copies, rollout.deadline_minutes * 60)


def shadow_words(figures: ShadowFigures, rate: float, rollout: Rollout) -> str:
    """A sentence about the shadow before the canary."""
    ends = "; ".join(f"{name} within {_text(figures.seconds[name])}" for name in figures.seconds)
    told = (
        f"Before that, in the shadow, {rollout.shadow.ratio:.0%} of the requests are copied. Nine in ten equal versions"
        f" pass it: {ends} (its deadline is {time_text(figures.deadline_seconds)})."
    ).replace("%", " %", 1)
    if figures.fits:
        return told
    if not math.isfinite(figures.longest):
        return f"{told} It does not fit at any rate: nothing of a signal comes back."
    least = max(figures.copies.values()) / rollout.shadow.ratio / figures.deadline_seconds
    more = f" Copy more (shadow.ratio), or take {least:.2g} requests a second" if least > rate else ""
    return f"{told} It does not fit.{more or ' Labels come too late for it'}."


def _text(seconds: float) -> str:
    return time_text(seconds) if math.isfinite(seconds) else "no time"


def _pairs_needed(signal: PairedSignal, false_alarm: float, rollouts: int, rng: np.random.Generator) -> float:
    """The pairs until nine in ten equal versions are safe."""
    shares = _shares(signal, rng)
    means, values = shares.shape
    counts, needed, total = np.zeros((rollouts, means, values)), np.full(rollouts, np.inf), 0
    while total < _MOST_PAIRS and math.isinf(_nine_in_ten(needed)):
        more = max(int(total * (_GROWTH - 1)), 10)
        total += more
        # Means are drawn each for itself, which makes the slowest of them a little slower than it is.
        for mean in range(means):
            counts[:, mean] += rng.multinomial(more, shares[mean], rollouts)
        safe = signal.log_safe(counts, signal.margin) >= -math.log(false_alarm)
        needed = np.where(np.isinf(needed) & safe, total, needed)
    return _nine_in_ten(needed)


def _nine_in_ten(numbers: Array) -> float:
    return float(np.quantile(numbers, 0.9, method="higher"))


def _shares(signal: PairedSignal, rng: np.random.Generator) -> Array:
    """The probability of each difference of an equal version, (means, values)."""
    pairs = simulated_pairs(rng, 0.0)
    if signal.name == "label_loss":
        found = interpolated(pairs.losses[1] - pairs.losses[0], np.array(signal.values))[None]
    else:
        edges = np.arange(len(signal.centres))
        below = [np.cumsum(np.bincount(side, minlength=len(edges) + 1))[:-1] for side in pairs.bins]
        both = np.array([(np.maximum(*pairs.bins) <= edge).sum() for edge in edges])
        up, down = below[0] - both, below[1] - both
        found = np.stack([up, len(pairs.bins[0]) - up - down, down], axis=-1)
    return np.asarray(found / found.sum(axis=-1, keepdims=True))
