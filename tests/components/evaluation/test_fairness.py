from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.evaluation.fairness import fairness
from components.table.examples import Examples

PLAN = np.array(["a"] * 4 + ["b"] * 4 + [None] * 2, dtype=object)
LABELS = np.array([1, 1, 1, 0, 1, 1, 0, 0, 1, 0], dtype=np.int8)
SCORES = np.array([0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.9, 0.9])
EXAMPLES = Examples(pd.DataFrame({"plan": PLAN}), {"plan": PLAN}, LABELS)


def test_the_gap_is_between_the_shares_of_positives_found() -> None:
    """The gap is the difference between the groups' shares of positives that are found."""
    found = fairness(EXAMPLES, SCORES, "plan", min_positives=2)
    shares = {group.value: group.true_positive_ratio for group in found.groups}
    assert shares == {"a": pytest.approx(2 / 3), "b": 0.5, "missing": 1.0}
    assert {group.value: group.named_positive_ratio for group in found.groups} == {"a": 0.75, "b": 0.25, "missing": 1.0}
    # One positive is too few to judge the gaps by.
    assert found.gap == pytest.approx(2 / 3 - 1 / 2)
    assert fairness(EXAMPLES, SCORES, "plan", min_positives=1).gap == pytest.approx(0.5)


def test_with_fewer_than_two_groups_to_judge_there_is_no_gap() -> None:
    assert fairness(EXAMPLES, SCORES, "plan", min_positives=3).gap is None
