from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.bootstrap import differences, intervals, resample
from components.evaluation.metrics import roc_auc

GENERATOR = np.random.default_rng(3)
LABELS = (GENERATOR.random(800) < 0.3).astype(np.int8)
SCORES = np.clip(0.3 + 0.2 * LABELS + GENERATOR.normal(0, 0.15, 800), 0, 1)


def test_a_sample_has_as_many_rows_as_the_table_and_both_classes() -> None:
    """A sample draws as many rows as the table has, and always some of both classes."""
    labels = np.array([1] + [0] * 9, dtype=np.int8)
    weights = resample(labels, seed=1)
    assert weights.shape == (500, 10)
    assert set(weights.sum(axis=1)) == {10.0}
    assert (weights[:, 0] > 0).all()
    assert np.array_equal(weights, resample(labels, seed=1))


def test_a_large_hold_out_is_sampled_less_often() -> None:
    assert resample(np.tile(np.array([0, 1], dtype=np.int8), 60_000), seed=1).shape == (166, 120_000)


def test_an_interval_holds_its_value_and_has_the_width_of_theory() -> None:
    """An interval holds its value and is about as wide as theory says."""
    found = intervals(LABELS, SCORES, resample(LABELS, seed=1))["brier_score"]
    assert found.low < found.value < found.high
    error = ((SCORES - LABELS) ** 2).std() / np.sqrt(len(LABELS))
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_rows_are_paired_so_equal_models_do_not_differ() -> None:
    same = differences(LABELS, SCORES, SCORES, resample(LABELS, seed=1))
    assert {(found.value, found.low, found.high) for found in same.values()} == {(0.0, 0.0, 0.0)}


def test_a_difference_is_ours_minus_theirs() -> None:
    noise = GENERATOR.random(800)
    found = differences(LABELS, SCORES, noise, resample(LABELS, seed=1))["roc_auc"]
    assert found.value == pytest.approx(roc_auc(LABELS, SCORES) - roc_auc(LABELS, noise))
    assert 0 < found.low < found.high
