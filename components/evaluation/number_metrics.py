"""Metrics of numbers in numpy, for many re-weightings of the rows at once, as in `metrics`: labels and values [n]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluation.metrics import Floats, Metric, weighted_mean
from components.package.answers import PredictionInterval


def mean_absolute_error(labels: NDArray[Any], values: NDArray[Any], weights: Floats | None = None) -> Any:
    """Mean distance from the truth, in the target's unit."""
    return weighted_mean(np.abs(values - labels), labels, weights)


def root_mean_squared_error(labels: NDArray[Any], values: NDArray[Any], weights: Floats | None = None) -> Any:
    """Root of the mean squared distance from the truth, in the target's unit."""
    return np.sqrt(weighted_mean((values - labels) ** 2, labels, weights))


def r2(labels: NDArray[Any], values: NDArray[Any], weights: Floats | None = None) -> Any:
    """The part of the target's variance that is explained; below 0 for worse than the mean."""
    squares, mean = weighted_mean(labels**2, labels, weights), weighted_mean(labels, labels, weights)
    variance = np.maximum(squares - mean**2, np.finfo(np.float64).tiny)
    return 1 - weighted_mean((values - labels) ** 2, labels, weights) / variance


def mean_absolute_percentage_error(labels: NDArray[Any], values: NDArray[Any], weights: Floats | None = None) -> Any:
    """Mean distance from the truth in parts of the truth, none of which may be 0."""
    return weighted_mean(np.abs((values - labels) / labels), labels, weights)


def pinball_metric(interval: PredictionInterval) -> dict[str, Metric]:
    """The pinball loss of an interval's two ends, as quantiles (Koenker and Bassett, Econometrica 46, 1978).

    It is small for an interval that is narrow and still holds its share; in the target's unit, the mean of both ends.
    """
    edges, halves = np.array(interval.edges), np.array(interval.half_widths)

    def pinball_loss(labels: NDArray[Any], values: NDArray[Any], weights: Floats | None = None) -> Any:
        half = halves[np.searchsorted(edges, values, side="left")]
        ends = ((values - half, (1 - interval.level) / 2), (values + half, (1 + interval.level) / 2))
        losses = [np.maximum(share * (labels - end), (share - 1) * (labels - end)) for end, share in ends]
        return weighted_mean((losses[0] + losses[1]) / 2, labels, weights)

    return {"pinball_loss": pinball_loss}


NUMBER_METRICS: dict[str, Metric] = {
    "mean_absolute_error": mean_absolute_error,
    "root_mean_squared_error": root_mean_squared_error,
    "r2": r2,
}
