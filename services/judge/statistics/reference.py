"""Chooses what the shift of scores is compared with: the hold-out as it is, or weighted like the canary's callers.

**A better model on other callers is not worse.** Where live callers differ from the hold-out, two versions differ by
another amount there. The canary's server reads its inputs as the champion does, and tells what the hold-out lets expect
of them. Live scores are no part of that, so a wrong unit, or any other fault of the canary, is not explained away: it
moves the canary's scores, and not what is expected of its inputs.

**The hold-out stays the reference as it is** unless it can tell: where too many inputs are unlike any of its rows (a
faulty client's may be), where it would be worth too few rows, or too few to be sure within the margin.

**Validity.** The evidence is one process for each reference, and there are as many as `expectation` renews it. What a
reference may be off counts like the hold-out's own error: two standard errors are added to the margin. `make simulate`
plays it: of 1,000 better canaries whose callers moved by half a deviation none is failed (by the hold-out as it is, 117
of 120), and 1,000 wrong units are found after as many requests as without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from services.judge.evidence.counts import AnswerKind, Evidence, HoldoutShift, LiveExpectation
from services.judge.statistics.signal_result import CallersMoved, SignalResult
from services.judge.statistics.wording import percent

#: Callers have moved where they change what is expected by more than this part of the margin, and by more than so many
#: standard errors. Less than that changes no verdict, and the reference need not change either.
_NOTABLE, _SURE = 0.1, 3.0
#: The part of the margin that inputs unlike any of the hold-out's may be of all: they might hide as large a shift.
_UNLIKE = 0.2
#: The largest distance; the hold-out is then worth a quarter of its rows.
_FURTHEST = 3.0
#: References are rounded to this part of the margin, so that the bets against them are computed once.
_STEP = 0.02


@dataclass(frozen=True)
class Reference:
    """What scores are compared with. `note` says why it is not the usual; `moved` what is known of the callers."""

    holdout: HoldoutShift | None
    expectation: LiveExpectation | None = None
    on_holdout: HoldoutShift | None = None
    note: str = ""

    @property
    def used(self) -> bool:
        """Whether the hold-out is weighted like the callers."""
        return self.on_holdout is not None and self.holdout is not self.on_holdout

    def told(self, finding: SignalResult, at: int) -> SignalResult:
        """The finding on scores, whose worst edge is `at`, with what is known of the callers if they have moved."""
        known, usual = self.expectation, self.on_holdout
        if known is None or usual is None or not self.note:
            return finding
        expected, before = known.shift[at], usual.shift[at]
        moved = CallersMoved(
            known.inputs, known.unlike, _distance(known), _furthest(known), expected, before, self.used
        )
        note = self.note
        if self.used:
            note += (
                f": weighted like them, it shows a shift of {percent(expected)} there, and as it is, {percent(before)}"
            )
        return replace(finding, note=note, moved=moved)


def reference(evidence: Evidence, margin: float | None) -> Reference:
    """What the shift of scores is compared with, for its margin."""
    usual, known = evidence.holdout, evidence.expectation
    if usual is None or known is None or margin is None:
        return Reference(usual)
    kept = "so scores are compared with the hold-out as it is"
    all_inputs = known.inputs + known.unlike
    if known.unlike > _UNLIKE * margin * all_inputs:
        part = percent(known.unlike / all_inputs)
        return Reference(usual, known, usual, f"{part} of the canary's inputs are unlike any in the hold-out, {kept}")
    if not _have_moved(usual, known, margin):
        return Reference(usual)
    other = f"its callers are not like the hold-out, most of all in {_furthest(known)!r}"
    if _distance(known) > _FURTHEST:
        worth = f"which would be worth less than one in {1 + _FURTHEST:g} of its rows"
        return Reference(usual, known, usual, f"{other}, {worth}; {kept}")
    if 2 * max(known.unexplained) > margin:
        return Reference(usual, known, usual, f"{other}, which has too few rows to be weighted like them; {kept}")
    if 2 * np.hypot(known.unexplained, known.sampled).max() > margin:
        return Reference(usual, known, usual, f"{other}, and too few of their inputs are known yet; {kept}")
    return Reference(_rounded(known, _STEP * margin, usual.answers), known, usual, other)


def _have_moved(usual: HoldoutShift, known: LiveExpectation, margin: float) -> bool:
    """Whether the callers change what is expected, at any edge, by more than chance does and so that it matters."""
    apart = np.abs(np.array(known.shift) - np.array(usual.shift))
    return bool((apart > np.maximum(_NOTABLE * margin, _SURE * np.array(known.sampled))).any())


def _rounded(known: LiveExpectation, step: float, answers: AnswerKind) -> HoldoutShift:
    errors = np.hypot(known.unexplained, known.sampled)
    shift, error = step * np.round(np.array(known.shift) / step), step * np.ceil(errors / step)
    return HoldoutShift(tuple(shift.tolist()), tuple(error.tolist()), answers)


def _distance(known: LiveExpectation) -> float:
    return math.fsum(far for _, far in known.distance)


def _furthest(known: LiveExpectation) -> str:
    return max(known.distance, key=lambda each: each[1], default=("", 0.0))[0]
