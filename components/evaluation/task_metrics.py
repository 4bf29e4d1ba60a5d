"""The metrics of each task, and the number that a search maximises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from components.evaluation.class_metrics import CLASS_METRICS
from components.evaluation.decision import USUAL_THRESHOLD
from components.evaluation.decision_metrics import decision_metrics, value_metric
from components.evaluation.metrics import METRICS, Metric
from components.evaluation.number_metrics import NUMBER_METRICS, mean_absolute_percentage_error, pinball_metric
from components.package.answers import PredictionInterval
from components.spec.contract import Spec
from components.spec.tasks import Task, measured

_METRICS: Final[Mapping[Task, Mapping[str, Metric]]] = {
    "binary": METRICS,
    "multiclass": CLASS_METRICS,
    "regression": NUMBER_METRICS,
}


def metrics_of(
    spec: Spec,
    labels: NDArray[Any],
    threshold: float = USUAL_THRESHOLD,
    interval: PredictionInterval | None = None,
) -> Mapping[str, Metric]:
    """Every reported metric of a spec's task; of errors in percent only where no truth is 0.

    `threshold` is where a probability of two words becomes a yes; `interval` is that around a number.
    """
    if spec.data.task == "multiclass":
        return CLASS_METRICS
    if spec.data.task == "binary":
        worth = spec.decision.value if spec.decision else None
        more = value_metric(worth, threshold) if worth else {}
        return {**METRICS, **decision_metrics(threshold), **more}  # accuracy keeps its place
    found = NUMBER_METRICS | (pinball_metric(interval) if interval else {})
    if np.abs(labels).min() > 0:
        found["mean_absolute_percentage_error"] = mean_absolute_percentage_error
    return found


def search_score(task: Task, metric: str, labels: NDArray[Any], answers: NDArray[Any]) -> float:
    """The number that a search maximises."""
    value = float(_METRICS[task][measured(metric)](labels, answers))
    return value if measured(metric) == metric else -value
