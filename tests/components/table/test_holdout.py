from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import DataError
from components.spec.contract import Split
from components.table.examples import Examples
from components.table.holdout import content_keys, row_keys, split_examples
from tests.components.small_table import small_examples, small_spec

SPEC = small_spec()


def notes(examples: Examples) -> list[str]:
    return examples.frame["note"].tolist()


def test_the_sides_are_the_table_and_have_the_asked_share() -> None:
    examples = small_examples(600)
    sides = split_examples(examples, SPEC)
    assert sorted(notes(sides.train) + notes(sides.holdout)) == sorted(notes(examples))
    assert 0.15 < len(sides.holdout) / 600 < 0.25


@settings(max_examples=15, deadline=None)
@given(st.integers(250, 600))  # fewer rows may leave too few of one class in the hold-out, which is refused
def test_a_row_is_on_the_same_side_in_every_version_of_the_table(rows: int) -> None:
    whole = split_examples(small_examples(600), SPEC)
    order = np.random.default_rng(rows).permutation(600)[:rows]
    early = split_examples(small_examples(600).take(order), SPEC)
    assert set(notes(early.holdout)) <= set(notes(whole.holdout))
    assert set(notes(early.train)) <= set(notes(whole.train))


def test_equal_rows_are_on_one_side_whatever_their_answer() -> None:
    examples = small_examples(300)
    twice = examples.take(np.repeat(np.arange(300), 2))
    twice.labels[::2] = 1 - twice.labels[::2]
    sides = split_examples(twice, SPEC)
    assert not set(notes(sides.train)) & set(notes(sides.holdout))


def test_the_hash_is_the_same_on_every_machine() -> None:
    columns = {
        "n": np.array([1.0, np.nan, -0.0, 0.0]),
        "c": np.array(["ä", None, "", ""], dtype=object),
        "d": np.array(["2024-03-31", "NaT", "1970-01-01", "1970-01-01"], dtype="datetime64[us]"),
    }
    keys = content_keys(columns).tolist()
    assert keys[2] == keys[3]
    assert keys[:3] == [504067593289258505, 5602915727407931170, 4112730210634631569]
    assert content_keys(dict(reversed(columns.items()))).tolist() == keys


def test_an_id_decides_alone_when_the_spec_names_one() -> None:
    spec = small_spec(data={**SPEC.data.model_dump(), "id": "note"})
    keys = row_keys(small_examples(100, spec), spec)
    changed = row_keys(small_examples(100, spec, spend=5.0), spec)
    assert keys.tolist() == changed.tolist()
    assert len(set(keys.tolist())) == 100


def test_a_group_stays_together() -> None:
    spec = small_spec(split={"group": "house"})
    examples = small_examples(600, spec, house=[f"h{row % 90}" for row in range(600)])
    sides = split_examples(examples, spec)
    assert not set(sides.train.frame["house"]) & set(sides.holdout.frame["house"])


def test_the_latest_rows_are_held_out() -> None:
    spec = small_spec(split={"time": "since", "holdout": 0.25})
    sides = split_examples(small_examples(600, spec), spec)
    assert sides.train.frame["since"].max() < sides.holdout.frame["since"].min()
    assert 0.2 < len(sides.holdout) / 600 <= 0.25


@pytest.mark.parametrize(
    ("split", "changes", "says"),
    [
        ({"group": "house"}, {}, r"column 'house' \(split.group\) is not in the table"),
        ({"time": "since"}, {"since": pd.Series(["2024-01-01", None] * 100)}, r"missing in 100 rows \(rows 2, 4, 6"),
        ({"holdout": 0.001}, {}, "the hold-out has 0 positive"),
    ],
)
def test_a_split_that_cannot_be_made_says_why(split: dict[str, object], changes: dict[str, object], says: str) -> None:
    spec = small_spec(
        split=split, features={**{k: v for k, v in SPEC.model_dump(mode="json")["features"].items() if k != "since"}}
    )
    with pytest.raises(DataError, match=says):
        split_examples(small_examples(200, spec, **changes), spec)


def test_rows_that_are_all_alike_cannot_be_split() -> None:
    alike = {"größe": 1.0, "plan": "pro", "since": "2020-01-01", "spend": 1.0, "senior": 0.0}
    with pytest.raises(DataError, match=r"name `data\.id`"):
        split_examples(small_examples(200, SPEC, **alike), SPEC)


def coarse(rows: int, seed: int = 0) -> Examples:
    """Rows of which few are different, one kind of them in half of the rows."""
    random = np.random.default_rng(seed)
    plan, senior = random.choice(["basic", "plus", "pro"], rows, p=[0.6, 0.3, 0.1]), random.integers(0, 2, rows)
    left = np.where(random.random(rows) < 0.2 + 0.3 * senior, "yes", "no")
    return small_examples(rows, COARSE, plan=plan, senior=senior, left=left)


COARSE = small_spec(
    features={name: small_spec().model_dump(mode="json")["features"][name] for name in ("plan", "senior")},
    split={"duplicates": "apart"},
)


def test_duplicates_apart_have_their_share_of_each_kind() -> None:
    examples = coarse(600)
    sides = split_examples(examples, COARSE)
    for answer in (0, 1):
        for plan in ("basic", "plus", "pro"):
            in_all, held = (
                int(((side.columns["plan"] == plan) & (side.labels == answer)).sum())
                for side in (examples, sides.holdout)
            )
            assert abs(held - in_all / 5) <= 2


def test_duplicates_apart_stay_on_their_side_as_the_table_grows() -> None:
    early, whole = (split_examples(coarse(600).take(np.arange(rows)), COARSE) for rows in (400, 600))
    assert set(notes(early.holdout)) <= set(notes(whole.holdout))
    assert set(notes(early.train)) <= set(notes(whole.train))


def test_a_hold_out_that_is_far_off_its_share_is_refused() -> None:
    together = COARSE.model_copy(update={"split": Split(holdout=0.3)})
    with pytest.raises(DataError, match=r"of the table's 600 rows \(\d+%\), and 30% are asked .* `duplicates: apart`"):
        split_examples(coarse(600), together)
