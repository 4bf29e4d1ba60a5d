"""Ranges slightly wider than the values seen, with round ends."""

from __future__ import annotations

import math

#: The share of the span by which a range is widened at each end.
ROOM = 0.1


def wider(low: float, high: float) -> tuple[float, float]:
    """A range around low..high with room at both ends; it does not cross zero, nor one for a share.

    Both ends are multiples of half a power of ten, chosen by the size of the span.
    """
    span = high - low or max(abs(high), 1.0)
    if not 1e-300 < span < 1e300:
        return low, high
    step = 10.0 ** math.floor(math.log10(span)) / 2
    first = _clean(math.floor((low - ROOM * span) / step) * step)
    last = _clean(math.ceil((high + ROOM * span) / step) * step)
    if low >= 0:
        first = max(first, 0.0)
    if high <= 0:
        last = min(last, 0.0)
    if low >= 0 and 0.9 <= high <= 1 and span >= 0.5:
        last = 1.0
    return min(first, low), max(last, high)


def _clean(value: float) -> float:
    """The value without binary rounding errors: 0.30000000000000004 becomes 0.3."""
    return float(f"{value:.15g}")
