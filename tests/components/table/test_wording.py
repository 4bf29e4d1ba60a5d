"""Which words are gaps, which are values, and how numbers are written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.spec.contract import CategoryFeature
from components.table.cells import Table, feature_columns, parse_table
from components.table.wording import MISSING_VALUES, USUAL_READING, TableReading, reading_of
from tests.components.small_table import small_spec


def table_of(cells: list[str], reading: TableReading = USUAL_READING) -> Table:
    return parse_table(("a|filler\n" + "".join(f"{cell}|x\n" for cell in cells)).encode(), "t.csv", reading)


def column_of(cells: list[str], reading: TableReading = USUAL_READING) -> list[Any]:
    column = table_of(cells, reading).frame["a"]
    return column.astype(object).where(column.notna(), None).tolist()


@pytest.mark.parametrize(
    ("cells", "numbers", "note"),
    [
        (["$1,234.50", "-$3", "$0.10"], [1234.5, -3, 0.1], "the currency $ is left out; commas are read as thousands"),
        (["€ 383.62", "12"], [383.62, 12], "the currency € is left out"),
        (["1.234,56 EUR", "7,10 EUR"], [1234.56, 7.1], "the currency EUR is left out; points are read as thousands"),
        (["38.361,86", "999,00", "12"], [38361.86, 999, 12], "points are read as thousands separators"),
        (["1.234.567", "12"], [1234567, 12], "points are read as thousands separators"),
        (["39.9%", "0", "-3 %"], [39.9, 0, -3], "percent signs are left out: 12% is 12"),
        (["(12)", "30", "($1,500.00)"], [-12, 30, -1500], "numbers in parentheses are read as negative"),
        (["1 234,5", "12 000,0", "3"], [1234.5, 12000, 3], "blanks or apostrophes are read as thousands"),
        (["1\u202f234", "1\u00a0000"], [1234, 1000], "blanks or apostrophes are read as thousands"),
        (["1'234.50", "9"], [1234.5, 9], "blanks or apostrophes are read as thousands"),
    ],
)
def test_numbers_as_people_write_them_are_numbers(cells: list[str], numbers: list[float], note: str) -> None:
    table = table_of(cells)
    assert table.frame["a"].tolist() == numbers
    assert note in table.notes[0]


@pytest.mark.parametrize(
    "cells",
    [
        ["$1", "€2"],  # two currencies
        ["12%", "0.5"],  # two units
        ["1.234,5", "1,234.5"],  # two styles
        ["94E3", "12E7"],
        ["+497287771990", "+497877075101"],
        ["001", "1", "1.0", "01"],
        ["1.1", "1.10", "1.9"],
        ["0x2B", "0x1A"],
        ["10.0.0.1", "10.0.0.2"],
        ["12 kg", "3 lb"],
    ],
)
def test_codes_and_mixed_signs_stay_the_text_that_they_are(cells: list[str]) -> None:
    assert column_of(cells) == cells


def test_points_before_three_digits_alone_are_decimal_points() -> None:
    assert column_of(["1.234", "5.678"]) == [1.234, 5.678]


@pytest.mark.parametrize("word", MISSING_VALUES)
def test_the_usual_words_are_gaps_among_numbers_and_days(word: str) -> None:
    assert column_of(["8.25", word, "-3"]) == [8.25, None, -3]
    assert column_of(["true", word]) == [True, None]
    assert column_of(["2024-01-31", word]) == ["2024-01-31", None]
    assert table_of(["1", word]).notes == (f"a: {word} read as missing",)


@pytest.mark.parametrize("word", ["none", "missing", ".", "--", "na"])
def test_the_same_words_are_words_among_words(word: str) -> None:
    assert column_of(["wifi", word]) == ["wifi", word]
    assert column_of([word, word]) == [word, word]


def test_a_list_of_the_spec_takes_the_place_of_the_usual_words() -> None:
    reading = TableReading(gaps=("9999", "weiß nicht"))
    assert column_of(["1", "9999", "weiß nicht", ""], reading) == [1, None, None, None]
    assert column_of(["1", "NA"], reading) == ["1", "NA"]


def test_a_listed_value_is_a_value_although_it_looks_like_a_gap() -> None:
    reading = TableReading(values={"a": frozenset({"None", "none", "1"})})
    assert column_of(["1", "None", "none", "NA"], reading) == ["1", "None", "none", None]


@pytest.mark.parametrize("cells", [["1.1", "1.10", "1.9"], ["1.10"], ["1.10", "1.1"], ["12E3", "1.0"]])
def test_a_code_of_the_spec_stays_itself_in_every_part(cells: list[str]) -> None:
    features = {"a": CategoryFeature(type="category", values=("1.1", "1.10", "1.9", "12E3", "1.0"))}
    reading = TableReading(values={"a": frozenset(map(str, features["a"].values))})
    assert feature_columns(table_of(cells, reading).frame, features)["a"].tolist() == cells


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["Default", "None", ""], ["Default", "None", None]),
        (["yes", "no", "None"], ["yes", "no", None]),
        (["yes", "NA", "no"], ["yes", None, "no"]),
        (["1", "0", "none"], [1, 0, None]),
    ],
)
def test_a_word_of_the_target_is_a_word(cells: list[str], read: list[Any]) -> None:
    """The target's "None" is its other answer, unless there are two others."""
    assert column_of(cells, TableReading(target="a")) == read


def test_the_positive_word_is_never_a_gap() -> None:
    spec = small_spec(data={"uri": "t", "target": "a", "positive": "None"})
    assert column_of(["None", "x", "y"], reading_of(spec)) == ["None", "x", "y"]


def test_the_largest_float_is_a_gap_in_every_format() -> None:
    largest = float(np.finfo(np.float64).max)
    table = table_of(["1.5", "1.7976931348623157E308", repr(-largest)])
    assert np.isnan(table.frame["a"].to_numpy()).tolist() == [False, True, True]
    assert "cells of 1.7976931348623157e+308 read as missing: 2" in table.notes[0]


def test_a_moment_may_name_its_zone_as_databases_do() -> None:
    features = small_spec(features={"a": {"type": "date", "min": "2024-01-01", "max": "2025-01-01"}}).features
    cells = [
        "2024-09-07 23:04:00 UTC",
        "2024-09-07 23:04:00+00",
        "2024-09-08T01:04:00+02:00",
        "2024-09-07 23:04:00 GMT",
    ]
    days = feature_columns(table_of(cells).frame, features)["a"]
    assert len(set(days.tolist())) == 1
    assert pd.Timestamp("1970-01-01") + pd.Timedelta(days=days[0]) == pd.Timestamp("2024-09-07 23:04:00")
