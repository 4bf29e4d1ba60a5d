"""A confidence sequence for one ratio: an interval that holds at every look.

Each observation `x` in [0, 1] has, given the past, the mean `p`. The mixture of likelihood ratios against `m`

    B(a + k, b + n - k) / (B(a, b) m^k (1 - m)^(n - k)),    k the sum and n the number of observations,

is a martingale that starts at 1 if `p = m` and `x` is 0 or 1, and a supermartingale if `x` lies in between
(each factor is convex in `x`). So the set of all `m` with a mixture below 1/alpha contains the true `p` at
every look with a probability of at least 1 - alpha (Robbins 1970; Howard et al. 2021, proposition 7; Ville).
"""

from __future__ import annotations

import math
from typing import Final

#: The mixture favours small ratios, because answers seldom differ. It decides how narrow an interval is, never
#: whether it is valid.
_A: Final = 0.5
_B: Final = 4.0
_HALVINGS: Final = 60


def log_evidence(count: float, total: float, ratio: float) -> float:
    """Logarithm of the evidence that the true ratio is not `ratio` in [0, 1]."""
    if (ratio <= 0 and count > 0) or (ratio >= 1 and count < total):
        return math.inf
    known = _times_log(count, ratio) + _times_log(total - count, 1 - ratio)
    return _log_beta(_A + count, _B + total - count) - _log_beta(_A, _B) - known


def interval(count: float, total: float, false_alarm: float) -> tuple[float, float]:
    """The lowest and highest ratio that the observations allow; (0, 1) without observations."""
    if total <= 0:
        return 0.0, 1.0
    needed = -math.log(false_alarm)
    middle = min(max(count / total, 0.0), 1.0)
    return _end(count, total, 0.0, middle, needed), _end(count, total, 1.0, middle, needed)


def _end(count: float, total: float, outside: float, inside: float, needed: float) -> float:
    """The ratio between `outside` (an end of the range) and `inside` at which the evidence reaches `needed`."""
    if log_evidence(count, total, outside) < needed:
        return outside
    for _ in range(_HALVINGS):
        between = (outside + inside) / 2
        if log_evidence(count, total, between) >= needed:
            outside = between
        else:
            inside = between
    return outside


def _times_log(number: float, ratio: float) -> float:
    return number * math.log(ratio) if number > 0 else 0.0


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
