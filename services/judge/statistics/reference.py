"""Chooses what the shift of scores is compared with: the hold-out as it is, or weighted like the canary's callers.

**A better model on other callers is not worse.** Where live callers differ from the hold-out, two versions differ by
another amount there. The canary's server reads its inputs as the champion does, and tells what the hold-out lets expect
of them. Live scores are no part of that, so a wrong unit, or any other fault of the canary's model, is not explained
away: it moves the canary's scores, and not what is expected of its inputs. A fault of its server or its route may move
both. Then its inputs are not those that the champion reads of the same traffic, and explain nothing.

**The hold-out stays the reference as it is** unless it can tell: where the two versions read other inputs or it is not
known what the champion reads, where too many inputs are unlike any of its rows (a faulty client's may be), where it
would be worth too few rows, or too few to be sure within the margin.

**Validity.** Evidence of harm falls as the bound that it is held against rises. While every reference is off by no more
than is added to the margin for it, each of them asks for at least what the true expectation asks for with the margin
alone. So whichever is taken when, harm shown against one is harm shown against that one bound, which never changes:
its single process errs in at most `false_alarm` of rollouts (Ville's inequality), however often the reference is
renewed, and although the same requests tell the inputs and the scores. What is added is two standard errors of the
hold-out's rows, as for the hold-out as it is, and as many of the inputs as hold for all renewals together (`_RENEWED`).
`make simulate` plays it: of 1,000 better canaries whose callers moved by half a deviation none is failed (by the
hold-out as it is, 117 of 120), and 1,000 wrong units are found after as many requests as without it.
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
#: The standard error for want of inputs counts so many times: 2 x 1.63 of them are exceeded in any of `MOST_RENEWALS`
#: as seldom as two are at once (Bonferroni).
_RENEWED = 1.63
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
        expected, before = (known.shift or usual.shift)[at], usual.shift[at]
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
    kept = _misread(known, margin)
    if not kept and not _have_moved(usual, known, margin):
        return Reference(usual)
    kept = kept or _too_little(known, margin)
    if kept:
        return Reference(usual, known, usual, f"{kept}, so scores are compared with the hold-out as it is")
    return Reference(_rounded(known, _STEP * margin, usual.answers), known, usual, _unlike_holdout(known))


def _misread(known: LiveExpectation, margin: float) -> str:
    """Why the canary's inputs may not be what its callers sent; empty if nothing speaks for it."""
    all_inputs = known.inputs + known.unlike
    if known.unlike > _UNLIKE * margin * all_inputs:
        return f"{percent(known.unlike / all_inputs)} of the canary's inputs are unlike any in the hold-out"
    if known.differing:
        return (
            "the canary's server reads other inputs than the champion's of the same traffic, most of all in"
            f" {known.differing[0]!r}: it or its route may change them"
        )
    return ""


def _too_little(known: LiveExpectation, margin: float) -> str:
    """Why too little is known of callers who have moved; empty if enough is."""
    other = _unlike_holdout(known)
    if known.differing is None:
        return f"{other}, and it is not known whether the champion's server reads the same inputs"
    if _distance(known) > _FURTHEST:
        return f"{other}, which would be worth less than one in {1 + _FURTHEST:g} of its rows"
    if 2 * max(known.unexplained) > margin:
        return f"{other}, which has too few rows to be weighted like them"
    if 2 * np.hypot(known.unexplained, known.sampled).max() > margin:
        return f"{other}, and too few of their inputs are known yet"
    return ""


def _unlike_holdout(known: LiveExpectation) -> str:
    return f"its callers are not like the hold-out, most of all in {_furthest(known)!r}"


def _have_moved(usual: HoldoutShift, known: LiveExpectation, margin: float) -> bool:
    """Whether the callers change what is expected, at any edge, by more than chance does and so that it matters."""
    apart = np.abs(np.array(known.shift) - np.array(usual.shift))
    return bool((apart > np.maximum(_NOTABLE * margin, _SURE * np.array(known.sampled))).any())


def _rounded(known: LiveExpectation, step: float, answers: AnswerKind) -> HoldoutShift:
    errors = np.hypot(known.unexplained, _RENEWED * np.array(known.sampled))
    shift, error = step * np.round(np.array(known.shift) / step), step * np.ceil(errors / step)
    return HoldoutShift(tuple(shift.tolist()), tuple(error.tolist()), answers)


def _distance(known: LiveExpectation) -> float:
    return math.fsum(far for _, far in known.distance)


def _furthest(known: LiveExpectation) -> str:
    return max(known.distance, key=lambda each: each[1], default=("", 0.0))[0]
