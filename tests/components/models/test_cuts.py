from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from components.models.cuts import Cuts, cuts_of


def counted(labels: NDArray[np.int8], scores: NDArray[np.float64], threshold: float) -> tuple[int, int]:
    named = scores >= threshold
    return int((labels[named] == 1).sum()), int((labels[named] == 0).sum())


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=1, max_size=60), st.integers(4, 100))
def test_a_cut_names_the_rows_that_it_says(rows: list[tuple[int, int]], most: int) -> None:
    labels = np.array([label for label, _ in rows], dtype=np.int8)
    scores = np.array([score for _, score in rows]) / 8
    cuts = cuts_of(labels, scores, most)
    assert (cuts.positives, cuts.negatives) == ((labels == 1).sum(), (labels == 0).sum())
    each = zip(cuts.true_positives, cuts.false_positives, strict=True)
    assert list(each) == [counted(labels, scores, threshold) for threshold in cuts.thresholds]


def test_cuts_of_four_rows_by_hand() -> None:
    cuts = cuts_of(np.array([0, 1, 1, 0], dtype=np.int8), np.array([0.1, 0.9, 0.4, 0.4]))
    assert cuts.thresholds == (0.95, 0.7, 0.2, 0.05)
    assert (cuts.true_positives, cuts.false_positives) == ((0, 1, 2, 2), (0, 0, 1, 2))


def test_a_score_of_one_leaves_no_cut_above_it() -> None:
    cuts = cuts_of(np.array([0, 1], dtype=np.int8), np.array([0.0, 1.0]))
    assert (cuts.thresholds, cuts.true_positives) == ((0.5,), (1,))


def test_many_scores_are_thinned_and_the_highest_kept() -> None:
    """A capacity is often a small share, so that the highest scores are told apart one by one."""
    scores = np.random.default_rng(0).random(50_000)
    cuts = cuts_of((scores > 0.5).astype(np.int8), scores, most=1000)
    named = [hits + false for hits, false in zip(cuts.true_positives, cuts.false_positives, strict=True)]
    assert 500 < len(named) <= 1001
    assert named[:10] == list(range(10))
    assert named[-1] == 50_000
    assert max(np.diff(named)) < 300


def test_cuts_that_do_not_fall_are_refused() -> None:
    with pytest.raises(ValidationError, match="thresholds must fall"):
        Cuts(positives=1, negatives=1, thresholds=(0.2, 0.3), true_positives=(0, 1), false_positives=(0, 0))
