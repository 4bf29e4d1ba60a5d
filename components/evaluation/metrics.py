"""Metrics of probabilities in numpy, for many re-weightings of the rows at once.

Every metric takes labels [n] of 0 and 1, scores [n] and optional weights
[samples, n]; with weights it returns one number per sample, as the bootstrap
needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Metric = Callable[..., Any]


@overload
def roc_auc(labels: NDArray[Any], scores: NDArray[Any], weights: None = None) -> float: ...
@overload
def roc_auc(labels: NDArray[Any], scores: NDArray[Any], weights: Floats) -> Floats: ...
def roc_auc(labels: NDArray[Any], scores: NDArray[Any], weights: Floats | None = None) -> float | Floats:
    """Area under the ROC curve: how often a positive scores above a negative; a tie counts half."""
    positives, negatives = _by_score(labels, scores, weights_of(labels, weights))
    below = np.cumsum(negatives, axis=1) - negatives / 2
    return _result((positives * below).sum(axis=1) / (positives.sum(axis=1) * negatives.sum(axis=1)), weights)


@overload
def average_precision(labels: NDArray[Any], scores: NDArray[Any], weights: None = None) -> float: ...
@overload
def average_precision(labels: NDArray[Any], scores: NDArray[Any], weights: Floats) -> Floats: ...
def average_precision(labels: NDArray[Any], scores: NDArray[Any], weights: Floats | None = None) -> float | Floats:
    """Precision averaged over the steps of recall, without interpolation, as scikit-learn defines it."""
    positives, negatives = (side[:, ::-1] for side in _by_score(labels, scores, weights_of(labels, weights)))
    found = np.cumsum(positives, axis=1)
    named = found + np.cumsum(negatives, axis=1)
    precision = np.divide(found, named, out=np.zeros_like(found), where=named > 0)
    return _result((positives * precision).sum(axis=1) / positives.sum(axis=1), weights)


def brier(labels: NDArray[Any], scores: NDArray[Any], weights: Floats | None = None) -> Any:
    """Mean squared difference between probability and answer."""
    return weighted_mean((scores - labels) ** 2, labels, weights)


def log_loss(labels: NDArray[Any], scores: NDArray[Any], weights: Floats | None = None) -> Any:
    """Mean surprise at the answer, in nats; probabilities keep 1e-7 from 0 and 1, about the precision of float32."""
    sure = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
    return weighted_mean(-np.where(labels == 1, np.log(sure), np.log1p(-sure)), labels, weights)


def accuracy(labels: NDArray[Any], scores: NDArray[Any], weights: Floats | None = None) -> Any:
    """Share of rows on the right side of 0.5."""
    return weighted_mean((scores >= 0.5) == (labels == 1), labels, weights)


def calibration_error(labels: NDArray[Any], scores: NDArray[Any], weights: Floats | None = None) -> Any:
    """Mean difference between predicted and observed share, over ten bins with equal numbers of rows."""
    order, starts = calibration_bins(scores)
    gaps = (weights_of(labels, weights) * (labels - scores.astype(np.float64)))[:, order]
    total = weights_of(labels, weights).sum(axis=1)
    return _result(np.abs(np.add.reduceat(gaps, starts, axis=1)).sum(axis=1) / total, weights)


def calibration_bins(scores: NDArray[Any], bins: int = 10) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows in order of score, and the position where each bin begins; equal scores share a bin."""
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    wanted = np.linspace(0, len(scores), bins + 1)[:-1].astype(np.intp)
    return order, np.unique(np.searchsorted(ranked, ranked[wanted], side="left"))


#: Every reported metric of task binary; the spec calls minus the Brier score `neg_brier_score`.
METRICS: dict[str, Metric] = {
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "brier_score": brier,
    "log_loss": log_loss,
    "accuracy": accuracy,
    "calibration_error": calibration_error,
}


def _by_score(labels: NDArray[Any], scores: NDArray[Any], weights: Floats) -> tuple[Floats, Floats]:
    """The weights of the positives and of the negatives at each distinct score, ascending: [samples, distinct]."""
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    positive = (labels[order] == 1).astype(np.float64)
    ordered = weights[:, order]
    return (
        np.add.reduceat(ordered * positive, starts, axis=1),
        np.add.reduceat(ordered * (1 - positive), starts, axis=1),
    )


def weights_of(labels: NDArray[Any], weights: Floats | None) -> Floats:
    """The weights, [samples, n]; one sample with 1 for each row where there are none."""
    return np.ones((1, len(labels))) if weights is None else weights


def weighted_mean(values: NDArray[Any], labels: NDArray[Any], weights: Floats | None) -> Any:
    """The mean over the rows; one for each sample where there are weights."""
    each = weights_of(labels, weights)
    return _result(each @ values.astype(np.float64) / each.sum(axis=1), weights)


def _result(samples: Floats, weights: Floats | None) -> float | Floats:
    return float(samples[0]) if weights is None else samples
