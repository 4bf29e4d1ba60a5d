"""Evidence on a paired difference, valid at every look: candidate and champion answered the same request.

Each observation is a difference `x` in [-1, 1], candidate minus champion, and the null hypothesis is that its mean,
given the past, is at most `bound`. For a fixed part `f` in (0, 1), each observation multiplies the wealth by

    1 + f (x - bound) / (1 + bound),

which is never negative, and whose mean is at most 1 under the null: betting on a bounded mean (Waudby-Smith and Ramdas
2023). So the wealth is a supermartingale that starts at 1, and by Ville's inequality (1939) it ever reaches 1/alpha
with a probability of at most alpha. A mean over a fixed grid of parts is one too, and counts are all that it needs.
Evidence for *more* than a bound is the same question about `-x`.

**Why it needs so few labels.** What makes one request harder than another is in both answers, and cancels. The wealth
grows with the square of the mean difference over the variance of the difference, not over that of a loss.

A difference that counts in part for two neighbours of a grid is a fair bet as well: the logarithm is concave, so the
wealth is no larger than with the difference itself. So is a request whose rows count in part (Hoelder's inequality).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from components.spec.contract import SCORE_EDGES, Harm
from services import telemetry
from services.judge.evidence.counts import HoldoutShift
from services.judge.statistics.evalue import Array, log_mean
from services.judge.statistics.signal_result import SignalResult, State
from services.judge.statistics.wording import number

PairedName = Literal["score_shift", "label_loss"]

#: The parts of the largest bet, and their probabilities. They decide how fast evidence grows, never if it is valid.
_PARTS: Final = (0.95, 0.6, 0.35, 0.2, 0.1, 0.05, 0.025, 0.0125)
_PART_PRIOR: Final = (0.3, 0.2, 0.14, 0.12, 0.1, 0.07, 0.04, 0.03)
#: Bounds are kept this far inside [-1, 1], so that a bet is possible.
_WIDEST_BOUND: Final = 0.99
_HALVINGS: Final = 40
_LARGEST_LOG: Final = 300.0
#: What is missing without any observation; it completes "cannot be judged: ... yet".
_NOTHING: Final[dict[PairedName, str]] = {
    "score_shift": "no request has been answered by both versions",
    "label_loss": "no label has come back for a request that both versions answered",
}
#: Edges that have scores on both sides.
_EDGES: Final = len(SCORE_EDGES) - 1


@dataclass(frozen=True)
class PairCounts:
    """What a champion's replicas counted of requests that a candidate answered too.

    `crossed` has for each edge the requests with the candidate's score at or below it and the champion's above, and
    the other way round; `labelled` those whose labels came back, by `telemetry.SHADOW_DIFFERENCES`.
    """

    compared: float = 0.0
    crossed: tuple[tuple[float, float], ...] = ((0.0, 0.0),) * _EDGES
    labelled: tuple[float, ...] = (0.0,) * len(telemetry.SHADOW_DIFFERENCES)


NO_PAIRS: Final = PairCounts()


@dataclass(frozen=True)
class PairedSignal:
    """One paired comparison: the margin of its mean difference, beyond each centre, up or both ways.

    `values` are the possible differences. `centres` are the harmless mean differences, `allowances` are added to the
    margin, as in `signals.Signal`.
    """

    name: PairedName
    margin: float
    false_alarm: float
    values: tuple[float, ...]
    centres: tuple[float, ...] = (0.0,)
    allowances: tuple[float, ...] = (0.0,)
    two_sided: bool = False

    def select(self, pairs: PairCounts) -> Array:
        """The signal's observations: shape (1, means, values)."""
        if self.name == "label_loss":
            return np.array([[pairs.labelled]])
        crossed = np.array(pairs.crossed)
        equal = pairs.compared - crossed.sum(axis=1)
        return np.stack([crossed[:, 1], equal, crossed[:, 0]], axis=-1)[None]

    def log_harm(self, counts: Array, margin: float) -> Array:
        """Logarithm of the evidence that a mean is beyond `margin`; shape (rollouts,)."""
        above = log_above(counts, self.values, self._bounds(margin, 1))
        if not self.two_sided:
            return above[:, 0]
        sides = np.concatenate([above, self._below(counts, self._bounds(margin, -1))], axis=1)
        return log_mean(sides, np.full(sides.shape[1], -np.log(sides.shape[1])))

    def log_safe(self, counts: Array, margin: float) -> Array:
        """Logarithm of the weakest evidence, over all means, that they are within `margin`; shape (rollouts,)."""
        weakest: Array = self._below(counts, self._bounds(margin, 1)).min(axis=1)
        if self.two_sided:
            weakest = np.minimum(weakest, log_above(counts, self.values, self._bounds(margin, -1)).min(axis=1))
        return weakest

    def _below(self, counts: Array, bounds: Array) -> Array:
        return log_above(counts, tuple(-value for value in self.values), -bounds)

    def _bounds(self, margin: float, sign: int) -> Array:
        bounds = np.array(self.centres) + sign * (margin + np.array(self.allowances))
        return np.clip(bounds, -_WIDEST_BOUND, _WIDEST_BOUND)


def log_above(counts: Array, values: tuple[float, ...], bounds: Array) -> Array:
    """Logarithm of the evidence that each mean is above its bound.

    `counts` has the shape (rollouts, means, values), `bounds` (means,); the result (rollouts, means).
    """
    gains = (np.array(values) - bounds[:, None]) / (1 + bounds[:, None])
    factors = np.log1p(np.multiply.outer(gains, np.array(_PARTS)))
    return log_mean(np.einsum("rmv,mvp->rmp", counts, factors), np.log(_PART_PRIOR))


def paired_signals(harm: Harm, false_alarm: float, holdout: HoldoutShift | None) -> list[PairedSignal]:
    """The paired signals with a margin in the spec, with equal shares of `false_alarm`.

    `score_shift` is among them only where the hold-out's shift is known.
    """
    level = false_alarm / max(sum(margin is not None for margin in (harm.score_shift, harm.label_loss)), 1)
    signals = []
    if harm.score_shift is not None and holdout is not None:
        centres, errors = holdout.shift[:-1], holdout.shift_error[:-1]
        allowances = tuple(2 * error for error in errors)
        values = (-1.0, 0.0, 1.0)
        signals.append(
            PairedSignal("score_shift", harm.score_shift, level, values, centres, allowances, two_sided=True)
        )
    if harm.label_loss is not None:
        signals.append(PairedSignal("label_loss", harm.label_loss, level, telemetry.SHADOW_DIFFERENCES))
    return signals


def paired_findings(
    harm: Harm, pairs: PairCounts, holdout: HoldoutShift | None, harm_level: float, safe_level: float
) -> list[SignalResult]:
    """One result for each paired signal of the spec, for all traffic (share 1).

    A version within its margins is called harmful with a probability of at most `harm_level`, over all signals and
    looks; one beyond any margin is called safe with a probability of at most `safe_level`.
    """
    findings = [_finding(signal, pairs, safe_level) for signal in paired_signals(harm, harm_level, holdout)]
    if harm.score_shift is not None and holdout is None:
        reason = "score_shift cannot be judged: what the hold-out showed between the two versions is missing"
        findings.insert(0, SignalResult("score_shift", "no data", reason, harm.score_shift, harm.score_shift))
    return findings


def _finding(signal: PairedSignal, pairs: PairCounts, safe_level: float) -> SignalResult:
    counts = signal.select(pairs)
    total = float(counts[0, 0].sum())
    if total == 0:
        reason = f"{signal.name} cannot be judged: {_NOTHING[signal.name]} yet"
        return SignalResult(signal.name, "no data", reason, signal.margin, signal.margin)
    needed_harm, needed_safe = -math.log(signal.false_alarm), -math.log(safe_level)
    log_harm, log_safe = (float(evidence(counts, signal.margin)[0]) for evidence in (signal.log_harm, signal.log_safe))
    state: State = "harm" if log_harm >= needed_harm else "safe" if log_safe >= needed_safe else "open"
    beyond = counts[0] @ np.array(signal.values) / total - np.array(signal.centres)
    at = int(np.argmax(np.abs(beyond) - np.array(signal.allowances)))
    least = 0.0 if signal.two_sided else -1.0
    finding = SignalResult(
        name=signal.name, state=state, reason="", margin=signal.margin, allowed=signal.margin,
        canary_observations=total, champion_observations=total, excess=float(beyond[at]),
        lower=_last(lambda bound: float(signal.log_harm(counts, bound)[0]) >= needed_harm, least, 1.0),
        upper=_last(lambda bound: float(signal.log_safe(counts, bound)[0]) >= needed_safe, 1.0, least),
        e_harm=_exponential(log_harm), e_harm_needed=1 / signal.false_alarm,
        e_safe=_exponential(log_safe), e_safe_needed=1 / safe_level,
        edge=SCORE_EDGES[at] if signal.two_sided else None,
    )  # fmt: skip
    return replace(finding, reason=_sentence(finding))


def _last(ruled_out: Callable[[float], bool], outside: float, inside: float) -> float | None:
    """The last value from `outside` towards `inside` that is ruled out; None if not even the first is."""
    if not ruled_out(outside):
        return None
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if ruled_out(middle) else (outside, middle)
    return outside


def _exponential(log_e: float) -> float:
    return math.exp(min(max(log_e, -_LARGEST_LOG), _LARGEST_LOG))


def _sentence(finding: SignalResult) -> str:
    """The observation and what it shows; without a full stop, so that sentences can be joined."""
    total = number(finding.canary_observations)
    if finding.name == "label_loss":
        seen = (
            f"over {total} labelled requests that both versions answered, the new version's Brier loss is"
            f" {_amount(finding, finding.excess)} above the champion's"
        )
    else:
        seen = (
            f"over {total} requests that both versions answered, the share of scores at or below {finding.edge:g} is"
            f" shifted by {_amount(finding, finding.excess)} beyond what the hold-out showed"
        )
    noun = "excess" if finding.name == "label_loss" else "shift"
    if finding.state == "harm":
        return f"{seen}; the {noun} is at least {_amount(finding, finding.lower)}, the margin is " + _amount(
            finding, finding.margin
        )
    allowed = f"allowed is {_amount(finding, finding.allowed)}"
    if finding.state == "safe":
        return f"{seen}; the {noun} is at most {_amount(finding, finding.upper)}, {allowed}"
    bound = "is not bounded yet" if finding.upper is None else f"may still be {_amount(finding, finding.upper)}"
    return f"{seen}; too little traffic: the {noun} {bound}, {allowed}"


def _amount(finding: SignalResult, value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:.3f}" if finding.name == "label_loss" else f"{100 * value:.1f} %"
