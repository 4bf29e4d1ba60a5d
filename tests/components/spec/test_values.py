"""One value has one spelling, and one moment one number of days, however it is written."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.spec.values import (
    category_text,
    cell_days,
    cell_text,
    days_since_epoch,
    days_to_moments,
    is_missing,
    moments_to_days,
)


@pytest.mark.parametrize(
    ("cell", "text"),
    [(True, "true"), (np.False_, "false"), (1.0, "1"), (np.float32(2.0), "2"), (0.5, "0.5"), (3, "3"), ("Yes", "Yes")],
)
def test_a_cell_is_spelled_as_the_value_of_a_request(cell: object, text: str) -> None:
    assert cell_text(cell) == text


@given(st.one_of(st.booleans(), st.integers(), st.text()))
def test_a_cell_that_is_a_category_is_spelled_as_one(value: bool | int | str) -> None:
    assert cell_text(value) == category_text(value)


def test_a_day_is_its_first_moment_and_no_zone_is_utc() -> None:
    assert days_since_epoch(date(1970, 1, 2)) == days_since_epoch(datetime(1970, 1, 2)) == 1.0  # noqa: DTZ001
    east = datetime(1970, 1, 2, 1, tzinfo=timezone(timedelta(hours=1)))
    assert cell_days(east.isoformat()) == cell_days(east) == cell_days("1970-01-02") == 1.0


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001
def test_moments_and_days_are_two_views_of_one_thing(moment: datetime) -> None:
    moments = np.array([moment, None], dtype="datetime64[us]")
    days = moments_to_days(moments)
    assert days[0] == pytest.approx(days_since_epoch(moment.replace(tzinfo=UTC)), abs=1e-9)
    assert np.isnan(days[1])
    back = days_to_moments(days)
    assert abs(back[0] - moments[0]) <= np.timedelta64(10, "us")
    assert np.isnat(back[1])


@pytest.mark.parametrize(
    ("cell", "missing"), [(None, True), (float("nan"), True), (np.datetime64("NaT"), True), (0, False)]
)
def test_none_nan_and_nat_are_missing(cell: object, missing: bool) -> None:
    assert is_missing(cell) is missing
