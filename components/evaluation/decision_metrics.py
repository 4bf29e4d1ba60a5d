"""Metrics of decisions, yes from a threshold on, for many re-weightings of the rows at once as in `metrics`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from components.evaluation.metrics import Floats, Metric, weighted_mean, weights_of
from components.spec.contract import DecisionValue

#: The answers by which people count what decisions are worth.
ANSWERS: Final = 1000
#: The metric of `value_metric`: money, which stands on no scale with the others.
VALUE: Final = "value"


def decision_metrics(threshold: float) -> dict[str, Metric]:
    """The metrics of the decisions from a threshold on, which is positive."""

    def precision(labels: NDArray[Any], scores: NDArray[Any], weights: Floats | None = None) -> Any:
        hits, named, _ = _counted(labels, scores, weights)
        return _ratio(hits, named, weights)

    def recall(labels: NDArray[Any], scores: NDArray[Any], weights: Floats | None = None) -> Any:
        hits, _, positives = _counted(labels, scores, weights)
        return _ratio(hits, positives, weights)

    def f1(labels: NDArray[Any], scores: NDArray[Any], weights: Floats | None = None) -> Any:
        hits, named, positives = _counted(labels, scores, weights)
        return _ratio(2 * hits, named + positives, weights)

    def accuracy(labels: NDArray[Any], scores: NDArray[Any], weights: Floats | None = None) -> Any:
        return weighted_mean((scores >= threshold) == (labels == 1), labels, weights)

    def balanced_accuracy(labels: NDArray[Any], scores: NDArray[Any], weights: Floats | None = None) -> Any:
        hits, named, positives = _counted(labels, scores, weights)
        rows = weights_of(labels, weights).sum(axis=1)
        spared = _ratio(rows - positives - (named - hits), rows - positives, weights)
        return (_ratio(hits, positives, weights) + spared) / 2

    def _counted(labels: NDArray[Any], scores: NDArray[Any], weights: Floats | None) -> tuple[Floats, Floats, Floats]:
        """The weights of the positives that are named, of all that are named, and of all positives: [samples] each."""
        named, positive = scores >= threshold, labels == 1
        parts = np.stack([named & positive, named, positive], axis=1).astype(np.float64)
        hits, called, right = (weights_of(labels, weights) @ parts).T
        return hits, called, right

    return {
        "accuracy": accuracy,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "balanced_accuracy": balanced_accuracy,
    }


def value_metric(worth: DecisionValue, threshold: float) -> Mapping[str, Metric]:
    """What 1,000 answers are worth whose rows get yes from a threshold on, in the currency."""

    def value(labels: NDArray[Any], scores: NDArray[Any], weights: Floats | None = None) -> Any:
        return ANSWERS * weighted_mean(worths(worth, labels, scores >= threshold), labels, weights)

    return {VALUE: value}


def worths(worth: DecisionValue, labels: NDArray[Any], decided: NDArray[np.bool_]) -> Floats:
    """What each row's decision is worth: [n]."""
    positive = labels == 1
    found: Floats = np.where(
        decided,
        np.where(positive, worth.true_positive, worth.false_positive),
        np.where(positive, worth.false_negative, worth.true_negative),
    )
    return found


def _ratio(part: Floats, whole: Floats, weights: Floats | None) -> Any:
    """A ratio for each sample, 0 where there is nothing; a number where there are no weights."""
    ratios = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return float(ratios[0]) if weights is None else ratios
