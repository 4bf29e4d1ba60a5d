"""Intervals by resampling rows: Efron and Tibshirani, An Introduction to the Bootstrap (1993), percentile method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluation.metrics import METRICS, Floats, Metric
from components.evaluation.result import Interval
from components.spec.tasks import Task

#: Limits on the number of samples, and on samples times rows for a large hold-out.
MOST_SAMPLES, FEWEST_SAMPLES, MOST_CELLS = 500, 100, 20_000_000


def resample(labels: NDArray[Any], seed: int, task: Task = "binary") -> Floats:
    """Weights [samples, rows]: how often each row was drawn. Samples that lose one of two classes are drawn again."""
    rows = len(labels)
    samples = int(np.clip(MOST_CELLS // rows, FEWEST_SAMPLES, MOST_SAMPLES))
    generator = np.random.default_rng(seed)
    weights: Floats = generator.multinomial(rows, np.full(rows, 1 / rows), size=samples).astype(np.float64)
    if task != "binary":
        return weights
    for sample in np.flatnonzero(~_both_classes(weights, labels)):
        while not _both_classes(weights[sample : sample + 1], labels)[0]:
            weights[sample] = generator.multinomial(rows, np.full(rows, 1 / rows))
    return weights


def _both_classes(weights: Floats, labels: NDArray[Any]) -> NDArray[np.bool_]:
    positives = weights @ (labels == 1)
    both: NDArray[np.bool_] = (positives > 0) & (positives < weights.sum(axis=1))
    return both


def intervals(
    labels: NDArray[Any], scores: NDArray[Any], weights: Floats, metrics: Mapping[str, Metric] = METRICS
) -> dict[str, Interval]:
    """Each metric with its interval."""
    return {
        name: interval_of_samples(metric(labels, scores), metric(labels, scores, weights))
        for name, metric in metrics.items()
    }


def differences(
    labels: NDArray[Any],
    ours: NDArray[Any],
    theirs: NDArray[Any],
    weights: Floats,
    metrics: Mapping[str, Metric] = METRICS,
    theirs_by: Mapping[str, Metric] | None = None,
) -> dict[str, Interval]:
    """Each metric, ours minus theirs; both use the same samples, so their common variation cancels.

    `theirs_by` are the metrics of the others, where these decide by a threshold of their own.
    """
    by = metrics if theirs_by is None else theirs_by
    return {
        name: interval_of_samples(
            metric(labels, ours) - by[name](labels, theirs),
            metric(labels, ours, weights) - by[name](labels, theirs, weights),
        )
        for name, metric in metrics.items()
    }


def interval_of_samples(value: float, samples: Floats) -> Interval:
    """A number with the middle 95 % of its samples."""
    low, high = np.quantile(samples, [0.025, 0.975])
    return Interval(value=float(value), low=float(low), high=float(high))
