"""Metrics of probabilities of classes in numpy, for many re-weightings of the rows at once, as in `metrics`.

Labels [n] are the places of the right classes, probabilities are [n, classes].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluation import metrics
from components.evaluation.metrics import Floats, Metric, weighted_mean, weights_of


def log_loss(labels: NDArray[Any], probabilities: NDArray[Any], weights: Floats | None = None) -> Any:
    """Mean surprise at the right class, in nats."""
    return weighted_mean(surprises(labels, probabilities), labels, weights)


def surprises(labels: NDArray[Any], probabilities: NDArray[Any]) -> Floats:
    """Each row's surprise at its right class, in nats; probabilities keep 1e-7 from 0, about float32's precision."""
    right = np.take_along_axis(probabilities, labels[:, None].astype(np.intp), axis=1)[:, 0].astype(np.float64)
    found: Floats = -np.log(np.maximum(right, 1e-7))
    return found


def brier(labels: NDArray[Any], probabilities: NDArray[Any], weights: Floats | None = None) -> Any:
    """Half the summed squared distance of the probabilities from 0 and 1, from 0 to 1; with two classes as usual."""
    truth = np.eye(probabilities.shape[1])[labels.astype(np.intp)]
    return weighted_mean(((probabilities - truth) ** 2).sum(axis=1) / 2, labels, weights)


def accuracy(labels: NDArray[Any], probabilities: NDArray[Any], weights: Floats | None = None) -> Any:
    """Share of rows whose most likely class is right."""
    return weighted_mean(probabilities.argmax(axis=1) == labels, labels, weights)


def balanced_accuracy(labels: NDArray[Any], probabilities: NDArray[Any], weights: Floats | None = None) -> Any:
    """Mean over the classes of the share of their rows that is found; a class without rows is left out."""
    hits, rows, _ = _by_class(labels, probabilities, weights)
    return _mean_over_classes(hits, rows, rows > 0, weights)


def precision_macro(labels: NDArray[Any], probabilities: NDArray[Any], weights: Floats | None = None) -> Any:
    """Mean over the classes of the share of the rows named so that are so; 0 for a class that is never named."""
    hits, rows, named = _by_class(labels, probabilities, weights)
    return _mean_over_classes(hits, named, rows > 0, weights)


def f1_macro(labels: NDArray[Any], probabilities: NDArray[Any], weights: Floats | None = None) -> Any:
    """Mean over the classes of the harmonic mean of precision and recall; a class without rows is left out."""
    hits, rows, named = _by_class(labels, probabilities, weights)
    return _mean_over_classes(2 * hits, rows + named, rows > 0, weights)


def calibration_error(labels: NDArray[Any], probabilities: NDArray[Any], weights: Floats | None = None) -> Any:
    """Mean difference between the largest probability and how often its class is right, over ten bins."""
    hit = (probabilities.argmax(axis=1) == labels).astype(np.int8)
    return metrics.calibration_error(hit, probabilities.max(axis=1), weights)


def confusion(labels: NDArray[Any], probabilities: NDArray[Any]) -> NDArray[np.intp]:
    """The rows by right class (first axis) and named class: [classes, classes]."""
    classes = probabilities.shape[1]
    places = labels.astype(np.intp) * classes + probabilities.argmax(axis=1)
    return np.bincount(places, minlength=classes**2).reshape(classes, classes)


def _by_class(
    labels: NDArray[Any], probabilities: NDArray[Any], weights: Floats | None
) -> tuple[Floats, Floats, Floats]:
    """The weights of the rows found, present and named by class; each [samples, classes]."""
    each, classes = weights_of(labels, weights), np.arange(probabilities.shape[1])
    right = labels[:, None] == classes
    named = probabilities.argmax(axis=1)[:, None] == classes
    hits, rows, called = (each @ part.astype(np.float64) for part in (right & named, right, named))
    return hits, rows, called


def _mean_over_classes(part: Floats, whole: Floats, present: NDArray[np.bool_], weights: Floats | None) -> Any:
    ratios = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    means = np.where(present, ratios, 0.0).sum(axis=1) / present.sum(axis=1)
    return float(means[0]) if weights is None else means


CLASS_METRICS: dict[str, Metric] = {
    "log_loss": log_loss,
    "brier_score": brier,
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "precision_macro": precision_macro,
    "f1_macro": f1_macro,
    "calibration_error": calibration_error,
}
