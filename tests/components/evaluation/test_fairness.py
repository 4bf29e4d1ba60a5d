from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.errors import DataError
from components.evaluation.fairness import class_fairness, fairness, group_cells, number_fairness
from components.evaluation.result import Group, NumberGroup
from components.table.examples import Examples

PLAN = np.array(["a"] * 4 + ["b"] * 4 + [None] * 2, dtype=object)
LABELS = np.array([1, 1, 1, 0, 1, 1, 0, 0, 1, 0], dtype=np.int8)
SCORES = np.array([0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.9, 0.9])
EXAMPLES = Examples(pd.DataFrame({"plan": PLAN}), {"plan": PLAN}, LABELS)


def test_the_gap_is_between_the_shares_of_positives_found() -> None:
    """The gap is the difference between the groups' shares of positives that are found."""
    found = fairness(EXAMPLES, SCORES, "plan", min_positives=2)
    groups = [group for group in found.groups if isinstance(group, Group)]
    shares = {group.value: group.true_positive_ratio for group in groups}
    assert shares == {"a": pytest.approx(2 / 3), "b": 0.5, "missing": 1.0}
    assert {group.value: group.named_positive_ratio for group in groups} == {"a": 0.75, "b": 0.25, "missing": 1.0}
    # One positive is too few to judge the gaps by.
    assert found.gap == pytest.approx(2 / 3 - 1 / 2)
    assert fairness(EXAMPLES, SCORES, "plan", min_positives=1).gap == pytest.approx(0.5)


def test_groups_may_be_of_a_column_that_the_model_is_not_given() -> None:
    examples = Examples(pd.DataFrame({"sex": ["f", "m"] * 5}), {}, LABELS)
    found = fairness(examples, SCORES, "sex", min_positives=1)
    assert [(group.value, group.positives) for group in found.groups if isinstance(group, Group)] == [
        ("f", 4),
        ("m", 2),
    ]
    assert found.gap == pytest.approx(0.25)  # found are 3 of 4, and 1 of 2


def test_a_column_that_names_no_groups_is_refused() -> None:
    examples = Examples(pd.DataFrame({"row": np.arange(101)}), {}, np.zeros(101, dtype=np.int8))
    with pytest.raises(DataError, match=r"fairness.by: 'row' has 101 values, at most 100 are compared"):
        group_cells(examples, "row")
    with pytest.raises(DataError, match=r"fairness.by: 'sex' is no column of the table; it has row"):
        group_cells(examples, "sex")


def test_the_gap_of_classes_is_the_largest_over_the_classes() -> None:
    """Of class 0 both groups find all; of class 1 one finds all and the other half."""
    labels, named = np.array([0, 0, 1, 1, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 1, 2, 2, 2])
    groups = pd.DataFrame({"sex": ["f", "m", "f", "f", "m", "m", "f", "m"]})
    found = class_fairness(Examples(groups, {}, labels), np.eye(3)[named], "sex", 2, ("a", "b", "c"))
    assert found.gap == 0.5
    shares = {
        (group.answer, group.value): group.true_positive_ratio for group in found.groups if isinstance(group, Group)
    }
    assert shares[("b", "f")] == 1.0
    assert shares[("b", "m")] == 0.5
    assert len(shares) == 6
    # With two rows of a class in each group demanded, only class b can be judged.
    assert class_fairness(Examples(groups, {}, labels), np.eye(3)[named], "sex", 3, ("a", "b", "c")).gap is None


def test_the_gap_of_numbers_is_in_parts_of_the_error_of_all() -> None:
    labels, values = np.array([10.0, 10.0, 20.0, 20.0]), np.array([11.0, 9.0, 23.0, 23.0])
    examples = Examples(pd.DataFrame({"sex": ["f", "f", "m", "m"]}), {}, labels)
    found = number_fairness(examples, values, "sex", 2)
    assert found.gap == pytest.approx((3 - 1) / 2)
    assert found.groups == (
        NumberGroup(value="f", rows=2, mean_absolute_error=1.0, mean_error=0.0),
        NumberGroup(value="m", rows=2, mean_absolute_error=3.0, mean_error=3.0),
    )
    assert number_fairness(examples, values, "sex", 3).gap is None


def test_with_fewer_than_two_groups_to_judge_there_is_no_gap() -> None:
    assert fairness(EXAMPLES, SCORES, "plan", min_positives=3).gap is None
