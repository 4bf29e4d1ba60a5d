"""The first version learns from an early part, whatever the table is sorted by."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.spec.contract import Data, NumberFeature, Spec, Split
from components.table.cells import read_table
from components.table.examples import Examples, examples_of
from k8s.twin.demo.rows import early_examples, early_rows, write_rows

ROWS = 200


def _examples(target: list[str], split: Split | None = None, **more: list[int]) -> tuple[Examples, Spec]:
    spec = Spec(
        name="tiny",
        data=Data(uri="tiny.csv", target="sick", positive="yes", ignore=tuple(more)),
        features={"age": NumberFeature(type="number", min=0, max=ROWS)},
        split=split or Split(),
    )
    return examples_of(pd.DataFrame({"age": np.arange(float(ROWS)), "sick": target, **more}), spec), spec


def test_the_first_rows_are_the_early_ones():
    examples, spec = _examples(["yes", "no"] * (ROWS // 2))
    assert early_rows(examples, spec, 0.4).tolist() == list(range(80))


def test_a_time_column_says_what_is_early():
    examples, spec = _examples(["yes", "no"] * (ROWS // 2), Split(time="day"), day=list(range(ROWS, 0, -1)))
    assert early_rows(examples, spec, 0.4).tolist() == list(range(120, 200))


@pytest.mark.parametrize("first", ["yes", "no"])
def test_a_table_sorted_by_its_target_gives_both_answers(first):
    last = "no" if first == "yes" else "yes"
    examples, spec = _examples([first] * (ROWS // 2) + [last] * (ROWS // 2))
    early = early_rows(examples, spec, 0.4)
    assert len(set(early.tolist())) == 80
    assert 0.4 < examples.labels[early].mean() < 0.6


def test_the_rows_are_read_back_as_they_were(tmp_path: Path):
    examples, _ = _examples(["yes", "no"] * (ROWS // 2))
    path = write_rows(examples, tmp_path / "data" / "early.parquet")
    pd.testing.assert_frame_equal(read_table(str(path)), examples.frame, check_dtype=False, check_column_type=False)


def test_more_rows_are_early_where_too_few_cannot_be_split():
    few, enough = (_examples((["yes"] + ["no"] * gap) * (ROWS // (gap + 1))) for gap in (3, 1))
    assert len(early_examples(*enough)) == 80
    assert len(early_examples(*few)) > 80
