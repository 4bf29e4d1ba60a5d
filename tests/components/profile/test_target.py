from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from components.errors import DataError
from components.profile.target import ClassColumn, NumberColumn, TargetColumn, data_of, find_target
from components.table.cells import parse_table


def frame_of(*words: str) -> pd.DataFrame:
    return parse_table(("y|x\n" + "".join(f"{word}|1\n" for word in words)).encode(), "t.csv").frame


@pytest.mark.parametrize(
    ("words", "positive", "negative", "reason"),
    [
        (("0", "1", "1"), 1, 0, "guessed from the word"),
        (("1.0", "0.0", "1.0"), 1, 0, "guessed from the word"),
        (("1.0", "2.0", "1.0"), 2, 1, "unsure: it is the rarer word; POSITIVE= names the other one"),
        (("-1", "1"), 1, -1, "guessed from the word"),
        (("Yes", "No", "Yes"), "Yes", "No", "guessed from the word"),
        (("True", "False"), True, False, "guessed from the word"),
        (("FALSE", "true"), True, False, "guessed from the word"),
        (("cat", "dog", "dog"), "cat", "dog", "guessed: it is the rarer word"),
        (("b", "a"), "a", "b", "guessed: it is the rarer word"),
        (("weg", "hier, größer", "weg"), "hier, größer", "weg", "guessed: it is the rarer word"),
        (("3", "2", "2"), 3, 2, "guessed: it is the rarer word"),
        (("0.5", "1.5", "1.5"), "0.5", "1.5", "guessed: it is the rarer word"),
        (("01", "02", "02"), "01", "02", "guessed: it is the rarer word"),
    ],
)
def test_any_two_words_are_a_target(words: tuple[str, ...], positive: Any, negative: Any, reason: str) -> None:
    target = find_target(frame_of(*words), "y", None)
    assert isinstance(target, TargetColumn)
    assert (target.positive, target.negative, target.reason) == (positive, negative, reason)
    assert type(target.positive) is type(positive)


@pytest.mark.parametrize("given", ["0", "0.0"])
def test_the_word_that_a_person_gives_is_the_positive_one(given: str) -> None:
    target = find_target(frame_of("0", "1", "1"), "y", given)
    assert isinstance(target, TargetColumn)
    assert (target.positive, target.negative, target.positives, target.reason) == (0, 1, 1, "given")


def test_three_values_that_recur_are_classes() -> None:
    target = find_target(frame_of(*("b", "a", "c") * 20), "y", None)
    assert isinstance(target, ClassColumn)
    assert (target.classes, target.rows) == (("a", "b", "c"), (20, 20, 20))
    assert data_of(target).task == "multiclass"


@pytest.mark.parametrize(("values", "task"), [(10, "multiclass"), (11, "regression")])
def test_few_whole_numbers_are_classes_and_many_are_amounts(values: int, task: str) -> None:
    words = [str(row % values) for row in range(30 * values)]
    assert data_of(find_target(frame_of(*words), "y", None)).task == task


def test_numbers_with_decimals_are_a_target() -> None:
    target = find_target(frame_of("0.5", "-2.5", "7"), "y", None)
    assert target == NumberColumn("y", -2.5, 7.0, "numbers, 3 different ones")


def test_the_task_that_a_person_names_is_taken() -> None:
    target = find_target(frame_of("0", "1", "1", "2"), "y", None, "regression")
    assert target == NumberColumn("y", 0.0, 2.0, "given")


@pytest.mark.parametrize(
    ("words", "name", "positive", "said"),
    [
        (("a", "b"), "z", None, "column 'z', the target, is not in the table; it has 'y', 'x'"),
        (("a", "b"), "Y", None, r"column 'Y', the target, is not in the table; did you mean 'y'\?"),
        ((), "y", None, "no rows"),
        (("a", "a"), "y", None, r"one class only: 'a' \(2 rows\)"),
        (("a", "b", "c"), "y", None, "class 'a' stands in 1 rows only; at least 20 are needed"),
        (tuple(f"text {row}" for row in range(101)), "y", None, "holds 101 different texts, such as 'text 0', "),
        (("a", "b", "c"), "y", "a", r"holds 3 classes: 'a' \(1 rows\), 'b' \(1 rows\), 'c'"),
        (("a", "", "b", "NA"), "y", None, r"missing in 2 of 4 rows \(rows 2, 4\)"),
        (("", "?"), "y", None, "missing in 2 of 2 rows"),
        (("yes", "no", "no"), "y", "Yes", "never holds 'Yes'; the positive word is one of 'no', 'yes'"),
    ],
)
def test_what_is_no_target_is_one_sentence(words: tuple[str, ...], name: str, positive: str | None, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        find_target(frame_of(*words), name, positive)
    assert "\n" not in str(caught.value)
