"""The four signals: which part of the counts each one looks at, and how sure it is of harm or of safety.

Everything here works on arrays of rollouts, so that one verdict and ten thousand
simulated ones run the same lines. A table of counts has the shape (rollouts, COLUMNS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from components.contract import SCORE_EDGES, Harm
from services.judge.evalue import Arms, Array, Prior, log_evidence, log_evidence_below, log_mean
from services.judge.evidence import BINS, Holdout

SignalName = Literal["error_ratio", "slow_ratio", "score_shift", "label_loss"]

#: How `false_alarm` is shared out between the signals that are judged. Labels arrive by a way of
#: their own, so that the signals have no common order of observations; a sum of shares
#: (Bonferroni) holds even then, where a mean of e-processes would not.
_SHARE: dict[SignalName, float] = {"error_ratio": 0.4, "slow_ratio": 0.2, "score_shift": 0.2, "label_loss": 0.2}

_RATIO_BASES = ((0.0003, 0.20), (0.001, 0.25), (0.003, 0.20), (0.01, 0.15), (0.03, 0.10),
                (0.1, 0.05), (0.3, 0.03), (0.6, 0.01), (0.9, 0.01))  # fmt: skip
_SHARE_BASES = ((0.005, 0.1), (0.04, 0.15), (0.14, 0.15), (0.33, 0.2), (0.6, 0.15), (0.84, 0.15), (0.97, 0.1))
_LOSS_BASES = ((0.01, 0.1), (0.03, 0.1), (0.07, 0.2), (0.13, 0.3), (0.2, 0.2), (0.3, 0.1))
_LOSS_SPREADS = ((0.2, 0.3), (0.4, 0.4), (0.8, 0.3))
#: What the distance to the bound is when the canary is safe: most often the canary is just as the champion.
_SAFE_GAPS = ((1.0, 0.7), (0.6, 0.15), (1.3, 0.15))
#: A bound must leave a bet possible.
_WIDEST_BOUND = 0.99


@dataclass(frozen=True)
class Signal:
    """One mean that is compared between canary and champion.

    `values` are what one observation can be; `centres` the differences that are no harm, one for
    each mean that the signal consists of; `allowances` are added to the margin. `two_sided` says
    that less is harm as well as more.
    """

    name: SignalName
    margin: float
    false_alarm: float
    values: tuple[float, ...]
    bases: tuple[tuple[float, float], ...]
    spreads: tuple[tuple[float, float], ...] = ((1.0, 1.0),)
    centres: tuple[float, ...] = (0.0,)
    allowances: tuple[float, ...] = (0.0,)
    two_sided: bool = False

    def select(self, table: Array) -> Array:
        """The signal's observations, from (rollouts, COLUMNS) to (rollouts, means, values)."""
        scores, labels = table[:, 3 : 3 + BINS], table[:, 3 + BINS :]
        if self.name == "score_shift":
            below = np.cumsum(scores, axis=1)[:, :-1]
            return np.stack([scores.sum(1, keepdims=True) - below, below], axis=-1)
        if self.name == "label_loss":
            return np.asarray(labels[:, None, :])
        hits = table[:, 1 if self.name == "error_ratio" else 2]
        return np.stack([table[:, 0] - hits, hits], axis=-1)[:, None, :]

    def log_harm(self, strata: Sequence[Arms], margin: float) -> Array:
        """Logarithm of the evidence that the excess is above `margin`; shape (rollouts,)."""
        prior = Prior(self.bases, _harm_gaps(self.margin), self.spreads)
        above = log_evidence(strata, self.values, self._bounds(margin), prior)
        if not self.two_sided:
            return above[:, 0]
        below = log_evidence_below(strata, self.values, self._bounds(-margin), prior)
        sides = np.concatenate([above, below], axis=1)
        return log_mean(sides, np.full(sides.shape[1], -np.log(sides.shape[1])))

    def log_safe(self, strata: Sequence[Arms], margin: float) -> Array:
        """Logarithm of the evidence that the excess is below `margin`, at its weakest; shape (rollouts,)."""
        prior = Prior(self.bases, _safe_gaps(margin + max(self.allowances)), self.spreads)
        below = log_evidence_below(strata, self.values, self._bounds(margin), prior)
        if not self.two_sided:
            return below[:, 0]
        above = log_evidence(strata, self.values, self._bounds(-margin), prior)
        return np.minimum(below.min(1), above.min(1))

    def means(self, strata: Sequence[Arms]) -> tuple[Array, Array]:
        """Mean of the canary and of the champion, each of shape (rollouts, means); NaN without data.

        The champion's strata count as much as the canary's do (direct standardisation), so that
        the two can be compared although the weight changed on the way.
        """
        values = np.array(self.values)
        total = sum((arms.canary.sum(-1) for arms in strata), start=np.zeros(()))
        canary = sum((arms.canary @ values for arms in strata), start=np.zeros(()))
        with np.errstate(invalid="ignore", divide="ignore"):
            champion = sum(
                (arms.canary.sum(-1) * (arms.champion @ values) / arms.champion.sum(-1) for arms in strata),
                start=np.zeros(()),
            )
            return np.asarray(canary / total), np.asarray(champion / total)

    def _bounds(self, margin: float) -> tuple[float, ...]:
        sign = 1 if margin >= 0 or not self.two_sided else -1
        bounds = (c + margin + sign * a for c, a in zip(self.centres, self.allowances, strict=True))
        return tuple(min(max(bound, -_WIDEST_BOUND), _WIDEST_BOUND) for bound in bounds)


def judged_signals(harm: Harm, false_alarm: float, holdout: Holdout | None) -> list[Signal]:
    """The signals that the spec gives a margin; `score_shift` only where the hold-out is known."""
    margins: dict[SignalName, float | None] = {
        "error_ratio": harm.error_ratio,
        "slow_ratio": harm.slow_ratio,
        "score_shift": harm.score_shift,
        "label_loss": harm.label_loss,
    }
    total = sum(_SHARE[name] for name, margin in margins.items() if margin is not None)
    signals = []
    for name, margin in margins.items():
        if margin is not None and (name != "score_shift" or holdout is not None):
            signals.append(_signal(name, margin, false_alarm * _SHARE[name] / total, holdout))
    return signals


def _signal(name: SignalName, margin: float, false_alarm: float, holdout: Holdout | None) -> Signal:
    if name == "label_loss":
        return Signal(name, margin, false_alarm, brier_values(), _LOSS_BASES, _LOSS_SPREADS)
    if name == "score_shift" and holdout is not None:
        centres, errors = holdout.shift[:-1], holdout.shift_error[:-1]
        allowances = tuple(2 * error for error in errors)
        return Signal(
            name, margin, false_alarm, (0.0, 1.0), _SHARE_BASES, centres=centres, allowances=allowances, two_sided=True
        )
    return Signal(name, margin, false_alarm, (0.0, 1.0), _RATIO_BASES)


def brier_values() -> tuple[float, ...]:
    """The Brier loss of an answer by score bin and (negative, positive), with each bin's middle as its score."""
    edges = np.array((0.0, *SCORE_EDGES))
    middle = (edges[1:] + edges[:-1]) / 2
    losses: list[float] = np.stack([middle**2, (1 - middle) ** 2], axis=-1).ravel().tolist()
    return tuple(losses)


def _harm_gaps(margin: float) -> tuple[tuple[float, float], ...]:
    """Excesses beyond the bound that are looked for: half the margin, doubled until it is most of the range."""
    gaps = [margin / 2 * 2**k for k in range(20) if margin / 2 * 2**k < 1]
    return tuple((gap, 1.0) for gap in gaps)


def _safe_gaps(distance: float) -> tuple[tuple[float, float], ...]:
    return tuple((distance * part, p) for part, p in _SAFE_GAPS)
