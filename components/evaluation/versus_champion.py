"""The comparison with the champion, a test of non-inferiority: what was not shown to be good enough does not pass.

The upper end of the paired interval of the loss must lie within the limit. The interval has 95 %, so a model whose
loss is at the limit passes in 2.5 % of draws, the level of ICH E9 (1998). The bootstrap's interval is too narrow for
few rows; Student's t of the smaller class widens it (Hesterberg, The American Statistician 69, 2015).
"""

from __future__ import annotations

import math
import sys
from typing import Final

from scipy.special import ndtri, stdtrit

from components.evaluation.result import Comparison, Evaluation, GateResult, Interval
from components.spec.tasks import COSTS, IN_UNITS

GATE: Final = "versus_champion"
#: The share below the interval, and the same above it.
LEVEL: Final = 0.025
#: How often an equal model should pass where rows are planned.
POWER: Final = 0.9
#: No table has more rows; a limit of 0 takes infinitely many.
MOST_ROWS: Final = 1e12


def compared_with_champion(evaluation: Evaluation, known: Comparison, metric: str, max_loss: float) -> GateResult:
    """The result of the gate: a model passes if it was shown to lose at most `max_loss` of `metric`."""
    limit = f"at most {max_loss:g} at the upper end of its interval"
    if known.doubt:
        return GateResult(gate=GATE, value=None, limit=limit, passed=False, detail=known.doubt)
    difference = known.difference[metric]
    if not all(map(math.isfinite, (difference.value, difference.low, difference.high))):
        detail = f"{metric} cannot be compared with the champion's: its difference is not a number"
        return GateResult(gate=GATE, value=None, limit=limit, passed=False, detail=detail)
    whole, unit = (known.metrics[metric].value, " in parts of its own") if metric in IN_UNITS else (1.0, "")
    loss = _widened(_loss(difference, metric, whole), _fewest(evaluation))
    passed = loss.high <= max_loss
    measured = (
        f"loss of {metric} against the champion{unit}: {loss.value:.4f}, 95 % from {loss.low:.4f} to {loss.high:.4f}"
    )
    why = "" if passed else f"; {_refusal(loss, max_loss, evaluation.rows)}"
    return GateResult(gate=GATE, value=loss.high, limit=limit, passed=passed, detail=measured + why)


def rows_needed(rows: int, half_width: float, max_loss: float) -> float:
    """Rows of a hold-out with which a model that is equal to the champion passes nine times in ten.

    `half_width` is that of the loss's interval with `rows`; it shrinks with the root of the rows. Infinite if
    `max_loss` is next to nothing.
    """
    widths = half_width * margin_in_errors() / float(-ndtri(LEVEL))
    return rows * (widths / max_loss) ** 2 if max_loss > widths / MOST_ROWS else math.inf


def margin_in_errors() -> float:
    """The limit in standard errors of the loss with which an equal model passes nine times in ten: 3.24."""
    return float(ndtri(POWER) - ndtri(LEVEL))


def rounded_up(number: float) -> int:
    """A positive number rounded up to two digits."""
    step = int(10 ** max(0, math.floor(math.log10(number)) - 1))
    return math.ceil(number / step) * step


def _fewest(evaluation: Evaluation) -> int:
    """The rows that decide how sure a difference is: of two classes those of the smaller one."""
    if evaluation.positives is None:
        return evaluation.rows
    return min(evaluation.positives, evaluation.rows - evaluation.positives)


def _loss(difference: Interval, metric: str, whole: float) -> Interval:
    """The loss, in parts of `whole`."""
    if metric in COSTS:
        ends = (difference.value, difference.low, difference.high)
        value, low, high = ends if whole == 1 else (end / max(whole, sys.float_info.min) for end in ends)
        return Interval(value=value, low=low, high=high)
    # Zero is taken from zero, so that no loss is not written as -0.
    return Interval(value=0 - difference.value, low=0 - difference.high, high=0 - difference.low)


def _widened(loss: Interval, smaller_class: int) -> Interval:
    rows = max(2, smaller_class)
    factor = float(stdtrit(rows - 1, LEVEL) / ndtri(LEVEL)) * math.sqrt(rows / (rows - 1))
    # The samples of a biased metric may all lie on one side of the measured loss, which is never left out.
    below, above = max(0.0, loss.value - loss.low), max(0.0, loss.high - loss.value)
    return Interval(value=loss.value, low=loss.value - factor * below, high=loss.value + factor * above)


def _refusal(loss: Interval, max_loss: float, rows: int) -> str:
    if loss.low > max_loss:
        return "the model is worse than allowed"
    larger = "set a larger `gates.versus_champion.max_loss`"
    unknown = f"the hold-out of {rows:,} rows is too small to say whether the model is worse than allowed"
    needed = rows_needed(rows, max(loss.high - loss.value, loss.value - loss.low), max_loss)
    if needed > MOST_ROWS:
        return f"{unknown}, and no table is large enough to show so small a loss: {larger}"
    # A larger share held out is no way: the champion would have learned rows of such a hold-out.
    ways = f"bring more rows, or {larger}"
    if needed > rows:
        return f"{unknown}: an equal one needs about {rounded_up(needed):,} rows to pass nine times in ten; {ways}"
    return f"{unknown}, but an equal one passes with so many nine times in ten, so it may be worse: improve it, {ways}"
