from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.errors import DataError
from components.spec.contract import Spec
from components.validation.checks import NOTABLE_SHIFT, check_examples, report
from tests.components.small_table import DOCUMENT, small_examples, small_frame, small_spec

SPEC = small_spec()


def column(name: str, **cells: Any) -> dict[str, Any]:
    """A column of the small table with some cells changed: `r3=None` changes row 3."""
    frame = small_frame(600)
    changed = frame[name].astype(object)
    for row, cell in cells.items():
        changed[int(row[1:]) - 1] = cell
    return {name: changed}


def refusal(spec: Spec = SPEC, reference: Any = None, **changes: Any) -> str:
    with pytest.raises(DataError) as caught:
        check_examples(small_examples(600, spec, **changes), spec, reference)
    return str(caught.value)


def test_a_good_table_is_described() -> None:
    found = check_examples(small_examples(600), SPEC)
    assert (found.rows, found.copies, found.shifts, found.notes) == (600, 0.0, {}, ())
    assert found.alone["größe"] > 0.6
    assert found.alone["senior"] < 0.6
    assert "| größe | 0." in report(found)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (column("spend", r3=-1.0, r9=500.01), "column 'spend': -1 is not from 0 to 500 (rows 3, 9)"),
        (column("spend", r4=np.nan), "column 'spend' is missing in 1 rows (row 4)"),
        (column("plan", r2="gold"), "column 'plan': 'gold' is none of basic, plus, pro (row 2)"),
        (column("senior", r7=2), "column 'senior': 2 is none of 0, 1 (row 7)"),
        (column("since", r1="2018-12-31"), "column 'since': '2018-12-31' is not from 2019-01-01 to 2025-01-01 (row 1)"),
    ],
)
def test_a_wrong_cell_is_named_with_what_is_allowed(changes: dict[str, Any], says: str) -> None:
    assert says in refusal(**changes)


def test_cells_at_the_bounds_are_fine() -> None:
    check_examples(small_examples(600, SPEC, **column("spend", r3=0.0, r9=500.0)), SPEC)
    check_examples(small_examples(600, SPEC, **column("since", r1="2019-01-01", r2="2025-01-01")), SPEC)


def test_gaps_are_fine_where_the_spec_allows_them() -> None:
    check_examples(small_examples(600, SPEC, **column("plan", r2=None), **column("größe", r1=np.nan)), SPEC)


def test_every_breach_is_told_at_once() -> None:
    told = refusal(**column("spend", r3=-1.0), **column("plan", r2="gold"))
    assert told.startswith("the table was refused, 2 breaches:\n- column")


def test_a_column_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(DataError, match=r"spend: 'much' is not a number \(row 5\)"):
        small_examples(600, SPEC, spend=[*["1"] * 4, "much", *["1"] * 595])


def test_a_table_that_was_appended_twice_is_refused() -> None:
    thrice = small_examples(200).take(np.tile(np.arange(200), 3))
    with pytest.raises(
        DataError, match=r"67% of the rows are copies of another row, at most 50% may be \(rows 201, 202"
    ):
        check_examples(thrice, SPEC)
    twice = small_examples(200).take(np.tile(np.arange(200), 2))
    assert check_examples(twice, SPEC).copies == 0.5


def test_copies_are_natural_where_few_different_rows_exist() -> None:
    spec = small_spec(features={name: DOCUMENT["features"][name] for name in ("plan", "senior")})
    assert check_examples(small_examples(600, spec), spec).copies > 0.9


@pytest.mark.parametrize("kind", ["number", "category", "gaps"])
def test_a_leak_is_refused_until_a_person_vouches_for_it(kind: str) -> None:
    left = small_frame(600)["left"] == "yes"
    columns: dict[str, dict[str, Any]] = {
        "number": {"spend": np.where(left, 300.0, 20.0)},
        "category": {"plan": np.where(left, "pro", "plus")},
        "gaps": {"größe": np.where(left, np.nan, 170.0)},
    }
    (name,) = columns[kind]
    assert f"column {name!r} alone tells the answer (AUC 1.0000, limit 0.999)" in refusal(**columns[kind])
    vouched = small_spec(data={**SPEC.data.model_dump(), "vouched": [name]})
    assert check_examples(small_examples(600, vouched, **columns[kind]), vouched).alone[name] == 1.0


def test_a_feature_that_nearly_tells_the_answer_is_no_leak() -> None:
    left = (small_frame(600)["left"] == "yes").to_numpy(copy=True)
    left[:6] = ~left[:6]
    assert check_examples(small_examples(600, SPEC, spend=np.where(left, 300.0, 20.0)), SPEC).alone["spend"] > 0.97


def test_a_table_like_the_champions_is_not_shifted() -> None:
    found = check_examples(small_examples(300), SPEC, small_examples(600))
    assert set(found.shifts) == set(SPEC.features)
    assert max(found.shifts.values()) < 0.15


def test_a_table_unlike_the_champions_is_refused() -> None:
    """A table that differs from the champion's is refused; the message names the column and the rows."""
    told = refusal(reference=small_examples(600), spend=490.0)
    assert "column 'spend' is shifted against the champion's data" in told
    assert "is 99.2% of the rows, was 10.0%" in told
    assert "first rows 1, 2, 3, 4, 5 and 595 more" in told
    assert "column 'plan'" in refusal(reference=small_examples(600), plan="pro")


def test_a_moderate_shift_is_told_and_passes() -> None:
    spend = small_frame(600)["spend"] * 0.9 + 40
    found = check_examples(small_examples(600, SPEC, spend=spend), SPEC, small_examples(600))
    assert found.shifts["spend"] > NOTABLE_SHIFT
    assert len(found.notes) == 1
    assert "column 'spend' is shifted" in found.notes[0]


def test_dates_move_on_and_are_never_refused() -> None:
    later = pd.Series(["2024-12-01"] * 600)
    found = check_examples(small_examples(600, SPEC, since=later), SPEC, small_examples(600))
    assert found.shifts["since"] > 1


def test_a_constant_or_empty_column_is_no_fault() -> None:
    check_examples(
        small_examples(600, SPEC, spend=7.0, größe=np.nan), SPEC, small_examples(600, SPEC, spend=7.0, größe=np.nan)
    )


def test_groups_that_cannot_be_compared_are_told_early() -> None:
    said = refusal(small_spec(gates={"fairness": {"by": ["sex", "note"]}}))
    assert "gates.fairness.by: 'sex' is no column of the table; it has größe" in said
    assert "gates.fairness.by: 'note' has 600 values, at most 100 are compared" in said
    check_examples(small_examples(600, SPEC, sex="f"), small_spec(gates={"fairness": {"by": ["sex"]}}))
