from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.errors import DataError
from components.table.examples import examples_of
from components.table.target import labels_of
from tests.components.small_table import read_back, small_examples, small_frame, small_spec

DATA = small_spec().data


def target(*cells: object) -> pd.DataFrame:
    return pd.DataFrame({"left": list(cells)})


def test_the_positive_word_is_one_and_the_other_zero() -> None:
    assert labels_of(target("yes", "no", "yes"), DATA).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("positive", "cells", "labels"),
    [
        (1, [0.0, 1.0], [0, 1]),
        ("1", [0.0, 1.0], [0, 1]),
        (2, [1.0, 2.0], [0, 1]),
        (True, pd.array([True, False], dtype="boolean"), [1, 0]),
        ("bleibt", ["geht", "bleibt"], [0, 1]),
    ],
)
def test_a_target_may_be_numbers_booleans_or_any_two_words(positive: object, cells: object, labels: list[int]) -> None:
    data = DATA.model_copy(update={"positive": positive})
    assert labels_of(pd.DataFrame({"left": cells}), data).tolist() == labels


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pd.DataFrame({"other": ["yes"]}), "column 'left', the target, is not in the table; it has other"),
        (target(), "the table has no rows"),
        (target("yes", "yes"), "holds one class only: 'yes' (2 rows)"),
        (target("a", "b"), "never holds 'yes' (data.positive); it holds 'a' (1 rows), 'b' (1 rows)"),
        (target("yes", "no", "perhaps"), "holds 3 classes: 'no' (1 rows), 'perhaps' (1 rows), 'yes' (1 rows)"),
        (target("yes", None, "no", None), "is missing in 2 of 4 rows (rows 2, 4)"),
    ],
)
def test_a_target_that_cannot_be_learned_gets_one_sentence(frame: pd.DataFrame, says: str) -> None:
    with pytest.raises(DataError) as caught:
        labels_of(frame, DATA)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_features_have_their_types() -> None:
    examples = small_examples(50)
    assert {name: cells.dtype.kind for name, cells in examples.columns.items()} == {
        "größe": "f",
        "plan": "O",
        "since": "M",
        "spend": "f",
        "senior": "O",
    }
    assert set(examples.columns["senior"]) == {"0", "1"}
    assert examples.columns["since"][0] == np.datetime64(small_frame(50)["since"][0])


def test_a_subset_keeps_all_views_in_one_order() -> None:
    examples = small_examples(50)
    chosen = examples.take(np.array([7, 3]))
    assert chosen.frame["note"].tolist() == ["row 7", "row 3"]
    assert chosen.columns["spend"].tolist() == [examples.columns["spend"][7], examples.columns["spend"][3]]
    assert chosen.labels.tolist() == [examples.labels[7], examples.labels[3]]


def test_a_missing_feature_is_named() -> None:
    with pytest.raises(DataError, match="spend"):
        examples_of(read_back(small_frame(20).drop(columns="spend")), small_spec())
