from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.errors import DataError
from components.profile.roles import find_roles, sample_rows

ROWS = 400
LABELS = (np.arange(ROWS) % 3 == 0).astype(np.int8)
NOISE = np.random.default_rng(3).normal(size=ROWS)


def roles(**columns: object) -> dict[str, str]:
    frame = pd.DataFrame({"y": LABELS.astype(float), **columns})
    return {column.name: column.role for column in find_roles(frame, "y", LABELS)}


def remarks(**columns: object) -> dict[str, str]:
    frame = pd.DataFrame({"y": LABELS.astype(float), **columns})
    return {column.name: column.remark for column in find_roles(frame, "y", LABELS)}


def test_a_column_that_tells_the_target_alone_is_set_aside() -> None:
    """A column that alone predicts the target is ignored, and the remark gives the evidence."""
    copy = pd.Series(np.where(LABELS == 1, "gone", "here"), dtype="str")
    gap = pd.Series(np.where(LABELS == 1, NOISE, np.nan))
    found = {"copy": copy, "gap": gap, "minus": -LABELS + NOISE / 100, "fine": NOISE + LABELS}
    assert roles(**found) == {"copy": "ignore", "gap": "ignore", "minus": "ignore", "fine": "feature"}
    assert "may be a leak: alone it tells the target (AUC 1.0000)" in remarks(**found)["copy"]


def test_a_good_but_not_perfect_column_stays() -> None:
    wrong = np.where(np.arange(ROWS) % 40 == 0, 1 - LABELS, LABELS).astype(float)
    assert roles(good=wrong) == {"good": "feature"}


def test_only_the_first_identifier_names_the_rows() -> None:
    count = np.arange(ROWS).astype(float)
    mail = pd.Series([f"u{i}@example.org" for i in range(ROWS)], dtype="str")
    assert roles(first=count, second=count + 7, mail=mail, x=NOISE) == {
        "first": "id",
        "second": "ignore",
        "mail": "ignore",
        "x": "feature",
    }


def test_nothing_left_to_learn_from_is_one_sentence() -> None:
    with pytest.raises(DataError, match=r"no column is left to learn from .*'a': it never differs"):
        roles(a=np.ones(ROWS))
    with pytest.raises(DataError, match="the target is the only one"):
        roles()


def test_a_sample_is_the_same_each_time_and_in_order() -> None:
    assert sample_rows(5, 10).tolist() == [0, 1, 2, 3, 4]
    rows = sample_rows(1000, 10)
    assert len(set(rows.tolist())) == 10
    assert rows.tolist() == sorted(rows.tolist()) == sample_rows(1000, 10).tolist()
