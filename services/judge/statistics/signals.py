"""The four signals: the counts that each one selects, and the evidence it gives for harm or safety.

Everything here works on arrays of rollouts, so that one verdict and ten thousand
simulated ones run the same code. A table of counts has the shape (rollouts, COLUMNS).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np

from components.spec.contract import Harm
from services.judge.evidence.counts import (
    BINS,
    CLASSES_AT,
    ERRORS_AT,
    LOSSES_AT,
    REQUESTS_AT,
    SCORES_AT,
    SLOW_AT,
    TIMED_AT,
    HoldoutShift,
)
from services.judge.statistics.evalue import Arms, Array, Prior, log_evidence, log_evidence_below, log_mean
from services.judge.statistics.latency import COLUMN, OBJECTIVE, OBJECTIVE_WEIGHT, scales
from services.telemetry import LABEL_LOSSES

#: The signals that compare means; `LOST` compares a share of the traffic with its weight (`lost.py`).
SignalName = Literal["error_ratio", "slow_ratio", "score_shift", "label_loss"]
LOST: Final = "lost_ratio"

#: How `false_alarm` is divided between the judged signals. Labels arrive on their own path, so the
#: signals have no common order of observations; dividing the level (Bonferroni) is valid even then,
#: where a mean of e-processes would not be.
_SHARE: dict[str, float] = {
    "error_ratio": 0.4, "slow_ratio": 0.2, "score_shift": 0.2, "label_loss": 0.2, LOST: 0.1,
}  # fmt: skip

_RATIO_BASES = ((0.0003, 0.20), (0.001, 0.25), (0.003, 0.20), (0.01, 0.15), (0.04, 0.10), (0.15, 0.07), (0.5, 0.03))
_SHARE_BASES = ((0.008, 0.15), (0.07, 0.2), (0.3, 0.25), (0.65, 0.25), (0.95, 0.15))
_LOSS_BASES = ((0.02, 0.15), (0.07, 0.25), (0.14, 0.4), (0.25, 0.2))
_LOSS_SPREADS = ((0.25, 0.5), (0.6, 0.5))
#: Excesses beyond the margin to bet on, as multiples of the margin, up to the whole range.
_HARM_GAPS = ((0.35, 0.2), *((4.0**k, 1.0) for k in range(10)))
#: Distances to the bound of a safe canary, as parts of the bound: most often it equals the champion.
_SAFE_GAPS = ((1.0, 0.75), (0.55, 0.25))
#: The widest bound that still leaves a bet possible.
_WIDEST_BOUND = 0.99


@dataclass(frozen=True)
class Signal:
    """One comparison of means between canary and champion.

    `values` are the possible values of an observation. `centres` are the harmless differences, one
    for each mean of the signal; `allowances` are added to the margin. `two_sided` means that a
    decrease is harm as well as an increase. The means of scores are the share up to each of `edges`, then that of each
    of `classes`; harm in any of them shares one `false_alarm`.
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
    edges: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()

    def select(self, table: Array) -> Array:
        """Selects the signal's observations: (rollouts, COLUMNS) -> (rollouts, means, values)."""
        if self.name == "score_shift":
            scores = table[:, SCORES_AT]
            total = scores.sum(1, keepdims=True)
            hit = np.concatenate([np.cumsum(scores, axis=1)[:, :-1], self._by_class(table, total)], axis=1)
            return np.stack([total - hit, hit], axis=-1)
        if self.name == "label_loss":
            return np.asarray(table[:, None, LOSSES_AT])
        hits, whole = (ERRORS_AT, REQUESTS_AT) if self.name == "error_ratio" else (SLOW_AT, TIMED_AT)
        return np.stack([table[:, whole] - table[:, hits], table[:, hits]], axis=-1)[:, None, :]

    def _by_class(self, table: Array, answered: Array) -> Array:
        """The answers of each class, (rollouts, classes); NaN where answers were not counted by these classes."""
        found: Array = table[:, CLASSES_AT]
        if found.shape[1] == len(self.classes):
            return found
        return np.where(answered > 0, np.nan, np.zeros((len(table), len(self.classes))))

    def named(self, mean: int) -> tuple[float | None, str | None]:
        """The edge of one of the means of scores, or its class; of another signal neither."""
        by_class = mean - len(self.edges)
        return (self.edges[mean], None) if by_class < 0 else (None, self.classes[by_class] if self.classes else None)

    def bin_of(self, mean: int) -> int:
        """The bin of one of the means of scores: those in order but for the last, then the classes."""
        return mean if mean < len(self.edges) else mean + 1

    def log_harm(self, strata: Sequence[Arms], margin: float) -> Array:
        """Logarithm of the evidence that the excess is above `margin`; shape (rollouts,)."""
        prior = Prior(self.bases, _harm_gaps(self.margin), self.spreads)
        above = log_evidence(strata, self.values, self._bounds(margin, 1), prior)
        if not self.two_sided:
            return above[:, 0]
        below = log_evidence_below(strata, self.values, self._bounds(margin, -1), prior)
        sides = np.concatenate([above, below], axis=1)
        return log_mean(sides, np.full(sides.shape[1], -np.log(sides.shape[1])))

    def log_safe(self, strata: Sequence[Arms], margin: float) -> Array:
        """Logarithm of the weakest evidence, over all means, that the excess is below `margin`; shape (rollouts,)."""
        prior = Prior(self.bases, _safe_gaps(margin + max(self.allowances)), self.spreads)
        strata = [replace(arms.safe or arms, later=()) for arms in strata]  # safety that began late is none
        weakest: Array = log_evidence_below(strata, self.values, self._bounds(margin, 1), prior).min(1)
        if self.two_sided:
            above = log_evidence(strata, self.values, self._bounds(margin, -1), prior)
            weakest = np.minimum(weakest, above.min(1))
        return weakest

    def means(self, strata: Sequence[Arms]) -> tuple[Array, Array]:
        """The means of canary and champion, each of shape (rollouts, means); NaN without data.

        The champion's strata are weighted like the canary's (direct standardisation), so that the
        means can be compared although the traffic weight changed.
        """
        values, total, sums = np.array(self.values), np.zeros(()), (np.zeros(()), np.zeros(()))
        for arms in strata:
            n_b = arms.champion.sum(-1)
            n_c = np.where(n_b > 0, arms.canary.sum(-1), 0.0)
            means = (table @ values / np.maximum(table.sum(-1), 1e-9) for table in (arms.canary, arms.champion))
            total = total + n_c
            sums = (sums[0] + n_c * next(means), sums[1] + n_c * next(means))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(sums[0] / total), np.asarray(sums[1] / total)

    def _bounds(self, margin: float, sign: int) -> tuple[float, ...]:
        """The differences at `margin` beyond the centres, upwards (sign 1) or downwards (-1)."""
        bounds = (c + sign * (margin + a) for c, a in zip(self.centres, self.allowances, strict=True))
        return tuple(min(max(bound, -_WIDEST_BOUND), _WIDEST_BOUND) for bound in bounds)


@dataclass(frozen=True)
class LatencySignal(Signal):
    """`slow_ratio` over several thresholds, each a mean with a margin of its own.

    `times` are the thresholds as multiples of the objective, and `scales` their margins as multiples of `margin`.
    """

    times: tuple[str, ...] = ()
    scales: tuple[float, ...] = ()

    def select(self, table: Array) -> Array:
        """Selects requests within and beyond each threshold: (rollouts, COLUMNS) -> (rollouts, means, 2)."""
        slower = table[:, [COLUMN[times] for times in self.times]]
        return np.stack([table[:, TIMED_AT, None] - slower, slower], axis=-1)

    def log_harm(self, strata: Sequence[Arms], margin: float) -> Array:
        """Logarithm of the evidence that an excess is above its threshold's part of `margin`; shape (rollouts,)."""
        return log_mean(self.harm_by_threshold(strata, margin), np.zeros(len(self.times)))

    def log_safe(self, strata: Sequence[Arms], margin: float) -> Array:
        """Logarithm of the weakest evidence that each excess is below its part of `margin`; shape (rollouts,)."""
        weakest: Array = self.safe_by_threshold(strata, margin).min(-1)
        return weakest

    def harm_by_threshold(self, strata: Sequence[Arms], margin: float) -> Array:
        """What each threshold gives to the evidence of harm, which is their sum; logarithms, (rollouts, means)."""
        weights = np.array([OBJECTIVE_WEIGHT if times == OBJECTIVE else 1.0 for times in self.times])
        parts = [signal.log_harm(arms, at) for signal, arms, at in self._parts(strata, margin)]
        given: Array = np.stack(parts, axis=-1) + np.log(weights / weights.sum())
        return given

    def safe_by_threshold(self, strata: Sequence[Arms], margin: float) -> Array:
        """The evidence of safety by threshold; logarithms, (rollouts, means)."""
        return np.stack([signal.log_safe(arms, at) for signal, arms, at in self._parts(strata, margin)], axis=-1)

    def _parts(self, strata: Sequence[Arms], margin: float) -> Iterator[tuple[Signal, list[Arms], float]]:
        for mean, scale in enumerate(self.scales):
            yield _ratio(self.name, self.margin * scale, self.false_alarm), only(strata, mean), margin * scale


def only(strata: Sequence[Arms], mean: int) -> list[Arms]:
    """The arms of one mean."""
    at = slice(mean, mean + 1)
    return [
        replace(
            arms, canary=arms.canary[:, at], champion=arms.champion[:, at], later=tuple(only(arms.later, mean)),
            safe=None if arms.safe is None else only([arms.safe], mean)[0],
        )
        for arms in strata
    ]  # fmt: skip


def at_thresholds(signal: Signal, of: dict[str, float]) -> LatencySignal:
    """A ratio of requests as one over several thresholds, with their margins as multiples of the signal's."""
    times = tuple(times for times in COLUMN if times in of)
    zeros, ordered = (0.0,) * len(times), tuple(of[each] for each in times)
    return LatencySignal(
        signal.name, signal.margin, signal.false_alarm, signal.values, signal.bases,
        centres=zeros, allowances=zeros, times=times, scales=ordered,
    )  # fmt: skip


def levels(harm: Harm, false_alarm: float) -> dict[str, float]:
    """The part of `false_alarm` that each signal with a margin may use up."""
    names = [name for name, margin in harm.margins().items() if margin is not None]
    total = sum(_SHARE[name] for name in names)
    return {name: false_alarm * _SHARE[name] / total for name in names}


def judged_signals(
    harm: Harm, false_alarm: float, holdout: HoldoutShift | None, *, thresholds: bool = True
) -> list[Signal]:
    """The signals that compare means; `score_shift` only where the hold-out's shift is known.

    Without `thresholds` latency is judged at the objective alone: a server made before them does not count them.
    """
    margins, parts = harm.margins(), levels(harm, false_alarm)
    signals = []
    for name in get_args(SignalName):
        if name in parts and (name != "score_shift" or holdout is not None):
            signal = _signal(name, margins[name] or 0.0, parts[name], holdout)
            several = name == "slow_ratio" and thresholds
            signals.append(at_thresholds(signal, scales(harm)) if several else signal)
    return signals


def _signal(name: SignalName, margin: float, false_alarm: float, holdout: HoldoutShift | None) -> Signal:
    if name == "label_loss":
        return Signal(name, margin, false_alarm, LABEL_LOSSES, _LOSS_BASES, _LOSS_SPREADS)
    if name == "score_shift" and holdout is not None:
        centres, errors = _without_last(holdout.shift), _without_last(holdout.shift_error)
        allowances = tuple(2 * error for error in errors)
        return Signal(
            name,
            margin,
            false_alarm,
            (0.0, 1.0),
            _SHARE_BASES,
            centres=centres,
            allowances=allowances,
            two_sided=True,
            edges=holdout.answers.edges[:-1],
            classes=holdout.answers.classes,
        )
    return _ratio(name, margin, false_alarm)


def _without_last(by_bin: tuple[float, ...]) -> tuple[float, ...]:
    """One number for each bin, but for the last of those in order: no score is beyond its edge."""
    return (*by_bin[: BINS - 1], *by_bin[BINS:])


def _ratio(name: SignalName, margin: float, false_alarm: float) -> Signal:
    return Signal(name, margin, false_alarm, (0.0, 1.0), _RATIO_BASES)


def _harm_gaps(margin: float) -> tuple[tuple[float, float], ...]:
    return tuple((margin * times, p) for times, p in _HARM_GAPS if margin * times < 1)


def _safe_gaps(distance: float) -> tuple[tuple[float, float], ...]:
    return tuple((distance * part, p) for part, p in _SAFE_GAPS)
