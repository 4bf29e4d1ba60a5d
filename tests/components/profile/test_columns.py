from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest

from components.profile.columns import MOST_CATEGORIES, MOST_CODES, ColumnProfile, look_at
from components.spec.contract import CategoryFeature, DateFeature, NumberFeature
from components.table.cells import parse_table


def look(cells: list[str], name: str = "thing") -> ColumnProfile:
    """A column of these cells, repeated to 240 rows if they are few."""
    rows = cells * max(1, 240 // len(cells))
    text = f'"{name}"|filler\n' + "".join(f'"{cell}"|1\n' for cell in rows)
    return look_at(parse_table(text.encode(), "t.csv").frame.iloc[:, 0])


def values_of(column: ColumnProfile) -> list[object]:
    assert isinstance(column.feature, CategoryFeature), column
    return list(column.feature.values)


# --- features -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["True", "false"], [False, True]),
        (["0", "1"], [0, 1]),
        (["2.0", "1.0"], [1, 2]),
        (["3", "1", "2"], [1, 2, 3]),
        (["blue", "Red", "größer"], ["Red", "blue", "größer"]),
        (["01067", "80331"], ["01067", "80331"]),
        (["1", "two"], ["1", "two"]),
    ],
)
def test_few_values_are_a_category(cells: list[str], values: list[object]) -> None:
    column = look(cells)
    assert values_of(column) == values
    assert [type(value) for value in values_of(column)] == [type(value) for value in values]


def test_codes_are_told_from_quantities_by_how_many_there_are() -> None:
    few = look([str(i) for i in range(MOST_CODES)])
    assert values_of(few) == list(range(MOST_CODES))
    assert "is it a quantity?" in few.remark
    many = look([str(i) for i in range(MOST_CODES + 1)])
    assert many.feature == NumberFeature(type="number", min=0, max=7)
    assert not look(["0", "1"]).remark


def test_two_numbers_that_are_not_whole_are_no_codes() -> None:
    assert isinstance(look(["0.5", "1.5"]).feature, NumberFeature)


@pytest.mark.parametrize(
    "cells", [["1", "0", ""], ["a", "b", "NA"], ["True", "False", "?"], ["2024-01-01", "2024-05-01", "-"]]
)
def test_missing_is_allowed_where_it_was_seen_and_only_there(cells: list[str]) -> None:
    with_gaps, without = look(cells).feature, look(cells[:2]).feature
    assert with_gaps
    assert without
    assert (with_gaps.missing, without.missing) == ("allowed", "refused")


def test_an_iso_date_is_a_date_with_room_for_the_days_to_come() -> None:
    feature = look(["2023-01-01", "2023-06-30T12:00:00", "2024-01-01"]).feature
    assert isinstance(feature, DateFeature)
    assert feature.min == date(2022, 11, 24)
    assert feature.max == date(2025, 12, 31)


def test_a_text_list_is_closed_only_if_it_is_short_and_recurs() -> None:
    short = [f"w{i}" for i in range(MOST_CATEGORIES)]
    assert len(values_of(look(short))) == MOST_CATEGORIES
    assert look([*short, "more"]).role == "ignore"
    assert look([f"w{i}" for i in range(45)] + ["w1"] * 120).role == "ignore"


# --- no features ------------------------------------------------------------------------


def numbered(rows: int = 240, start: int = 0) -> list[str]:
    return [str(i) for i in range(start, start + rows)]


DAYS = [date(2024, 1, 1) + timedelta(days=i) for i in range(60)]


@pytest.mark.parametrize(
    ("name", "cells", "role", "said"),
    [
        ("x", ["", "NA"], "ignore", "it is empty"),
        ("x", ["same"], "ignore", "it never differs ('same')"),
        ("x", ["7"], "ignore", "it never differs (7)"),
        ("x", numbered(), "id", "looks like an identifier: a whole number"),
        ("x", numbered(start=5000), "id", "looks like an identifier: a whole number"),
        ("customerId", [str(17 * i) for i in range(240)], "id", "looks like an identifier: a whole number"),
        ("Kunden-Nr", [str(17 * i) for i in range(240)], "id", "looks like an identifier: a whole number"),
        ("x", [f"user{i}@example.org" for i in range(240)], "id", "another text in each row"),
        ("customer_id", numbered(80), "ignore", "an identifier that repeats"),
        ("zip code", [str(10000 + 7 * i) for i in range(80)], "ignore", "looks like a postal code with 80 values"),
        ("x", [f"note {i}" for i in range(100)], "ignore", "100 different texts, such as 'note 0'"),
        ("x", [*numbered(70), "unknown"], "ignore", "mostly numbers, but not 'unknown'"),
        ("x", [f"{i}.5" for i in range(239)] + ["7,5 or 8"], "ignore", "mostly numbers, but not '7,5 or 8'"),
        ("x", [f"{i} {'lb' if i % 3 else 'kg'}" for i in range(240)], "ignore", "numbers with signs, such as '0 kg'"),
        ("created_at", [str(1_700_000_000 + 997 * i) for i in range(80)], "ignore", "looks like seconds since 1970"),
        ("timestamp", [str(1_700_000_000_000 + 997 * i) for i in range(80)], "ignore", "milliseconds since 1970"),
        ("date", [str(45_000 + i) for i in range(80)], "ignore", "days since 1900, as spreadsheets count"),
        ("x", [day.strftime("%m/%d/%Y 01:02:03 PM") for day in DAYS], "ignore", "looks like a date such as"),
        ("x", [f"{i}.5" for i in range(239)] + ["1e200"], "ignore", "1e+200 (row 240) is too large to compute with"),
        ("customer_id", [*numbered(239), "7b"], "id", "another text in each row"),
        ("x", [day.strftime("%d.%m.%Y") for day in DAYS], "ignore", "looks like a date such as '01.01.2024'"),
        ("x", [day.strftime("%m/%d/%Y") for day in DAYS], "ignore", "looks like a date such as '01/01/2024'"),
        ("x", [day.strftime("%Y%m%d") for day in DAYS], "ignore", "looks like a date such as '20240101'"),
        ("x", [day.strftime("%B %d, %Y") for day in DAYS], "ignore", "looks like a date such as 'January 01, 2024'"),
    ],
)
def test_what_is_no_feature_says_why(name: str, cells: list[str], role: str, said: str) -> None:
    column = look(cells, name)
    assert (column.role, column.feature) == (role, None)
    assert said in column.remark


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("income", [str(17 * i) for i in range(240)]),
        ("paid", [str(17 * i) for i in range(240)]),
        ("humid", numbered(80)),
        ("code", [f"{i}.5" for i in range(80)]),
        ("body mass index", numbered(80)),
        ("amount", [str(20_240_000 + i) for i in range(60, 140)]),
    ],
)
def test_numbers_like_identifiers_or_dates_stay_numbers(name: str, cells: list[str]) -> None:
    """Numbers that only resemble an identifier or a date stay numbers."""
    assert isinstance(look(cells, name).feature, NumberFeature)


def test_a_name_with_a_line_break_keeps_its_name() -> None:
    assert look_at(pd.Series([1.0, 2.5, 3.5], name="two\nlines")).name == "two\nlines"
