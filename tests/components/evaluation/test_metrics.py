from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from components.evaluation.metrics import METRICS, calibration_bins, calibration_error, roc_auc
from components.evaluation.number_metrics import pinball_metric
from components.evaluation.task_metrics import search_score
from components.package.answers import Coverage, PredictionInterval

Rows = tuple[NDArray[np.int8], NDArray[np.float64]]


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Labels of both classes, scores with many ties."""
    scores = draw(st.lists(st.integers(0, 8), min_size=2, max_size=60))
    labels = draw(st.lists(st.integers(0, 1), min_size=len(scores), max_size=len(scores)))
    labels[:2] = [0, 1]
    return np.array(labels, dtype=np.int8), np.array(scores) / 8


ORACLES: dict[str, Any] = {
    "roc_auc": sklearn.metrics.roc_auc_score,
    "average_precision": sklearn.metrics.average_precision_score,
    "brier_score": sklearn.metrics.brier_score_loss,
    "accuracy": lambda labels, scores: sklearn.metrics.accuracy_score(labels, scores >= 0.5),
    "log_loss": lambda labels, scores: sklearn.metrics.log_loss(labels, np.clip(scores, 1e-7, 1 - 1e-7)),
}


@pytest.mark.parametrize("name", ORACLES)
@settings(deadline=None)
@given(rows())
def test_a_metric_is_what_scikit_learn_says(name: str, given_rows: Rows) -> None:
    labels, scores = given_rows
    assert METRICS[name](labels, scores) == pytest.approx(ORACLES[name](labels, scores), abs=1e-12)


@pytest.mark.parametrize("name", [name for name in METRICS if name != "calibration_error"])
@settings(deadline=None)
@given(rows(), st.integers(0, 1000))
def test_a_weight_is_that_many_copies_of_a_row(name: str, given_rows: Rows, seed: int) -> None:
    labels, scores = given_rows
    counts = np.random.default_rng(seed).integers(0, 4, len(labels))
    counts[:2] = 1
    weighed = METRICS[name](labels, scores, counts[None, :].astype(float))
    assert weighed.shape == (1,)
    assert weighed[0] == pytest.approx(METRICS[name](np.repeat(labels, counts), np.repeat(scores, counts)), abs=1e-12)


def test_calibration_error_by_hand() -> None:
    labels = np.array([0] * 5 + [0, 0, 0, 1, 1], dtype=np.int8)
    scores = np.array([0.1] * 5 + [0.9] * 5)
    # Two bins: 0.1 predicted and 0 observed, 0.9 predicted and 0.4 observed.
    assert calibration_error(labels, scores) == pytest.approx((0.1 + 0.5) / 2)


def test_equal_scores_share_a_calibration_bin() -> None:
    order, starts = calibration_bins(np.array([0.5, 0.2, 0.5, 0.5, 0.9]), bins=3)
    assert order.tolist() == [1, 0, 2, 3, 4]
    assert starts.tolist() == [0, 1]


def test_a_search_wants_the_brier_score_small() -> None:
    labels, scores = np.array([0, 1]), np.array([0.2, 0.9])
    assert search_score("binary", "neg_brier_score", labels, scores) == pytest.approx(-(0.04 + 0.01) / 2)
    assert search_score("binary", "roc_auc", labels, scores) == roc_auc(labels, scores) == 1.0


@settings(deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=2, max_size=40), st.integers(0, 1000))
def test_pinball_loss_is_what_scikit_learn_says(whole: list[int], seed: int) -> None:
    """The mean over the interval's two ends; its half-width follows the size of the value."""
    values = np.array(whole, dtype=np.float64)
    labels = values + np.random.default_rng(seed).normal(0, 3, len(values))
    coverage = Coverage(value=0.8, low=0.7, high=0.9, rows=50)
    interval = PredictionInterval(level=0.8, edges=(0.0,), half_widths=(2.0, 5.0), coverage=coverage)
    half = np.where(values <= 0, 2.0, 5.0)
    low = sklearn.metrics.mean_pinball_loss(labels, values - half, alpha=0.1)
    high = sklearn.metrics.mean_pinball_loss(labels, values + half, alpha=0.9)
    assert pinball_metric(interval)["pinball_loss"](labels, values) == pytest.approx((low + high) / 2)
