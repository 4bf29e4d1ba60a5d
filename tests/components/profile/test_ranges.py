from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.profile.ranges import wider

_FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ((17, 90), (5, 100)),
        ((0, 72), (0, 80)),
        ((18.8, 8684.8), (0, 10000)),
        ((0.0, 1.0), (0, 1)),
        ((0.02, 0.97), (0, 1)),
        ((-0.9, -0.1), (-1.0, 0)),
        ((5, 5), (4.5, 5.5)),
        ((-40.0, 45.5), (-50, 55)),
        ((0.05263, 0.1634), (0, 0.2)),
        ((1990, 2024), (1985, 2030)),
    ],
)
def test_ranges_end_in_round_numbers(seen: tuple[float, float], said: tuple[float, float]) -> None:
    assert wider(*seen) == said


@given(_FINITE, _FINITE)
def test_a_range_holds_what_was_seen_and_keeps_its_side_of_zero(one: float, other: float) -> None:
    low, high = sorted((one, other))
    first, last = wider(low, high)
    assert first <= low <= high <= last
    assert math.isfinite(first)
    assert math.isfinite(last)
    assert first >= 0 or low < 0
    assert last <= 0 or high > 0


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9))
def test_a_range_is_only_a_bit_wider(low: float, span: float) -> None:
    first, last = wider(low, low + span)
    assert last - first <= 2.5 * span
