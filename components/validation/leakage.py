"""Measures how well a single feature predicts the answer."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.evaluation.metrics import roc_auc
from components.spec.tasks import Task
from components.table.target import Labels

#: With more distinct texts, the rates of a category would predict the answer by chance.
MOST_CATEGORIES = 200


def single_feature_auc(cells: NDArray[Any], labels: Labels) -> float:
    """Area under the ROC curve of a feature alone or of its gaps, whichever is larger; 0.5 to 1.

    A category is ranked by its share of positives, with one average row added to each value, so
    that a text that occurs only once predicts almost nothing.
    """
    missing = pd.isna(cells)
    scores = _rates(cells, labels) if cells.dtype == object else _ranks(cells, missing)
    return max(_either_way(labels, scores), _either_way(labels, missing.astype(np.float64)))


def single_feature_leak(cells: NDArray[Any], labels: Labels, task: Task) -> float:
    """How well a feature alone tells the target, 0.5 to 1, as an area under the ROC curve.

    A number is told by whether it is above its median; a class is by the mean over the classes of being it or another.
    """
    if task == "binary":
        return single_feature_auc(cells, labels)
    if task == "regression":
        above = (labels > np.median(labels)).astype(np.int8)
        return single_feature_auc(cells, above) if 0 < above.sum() < len(above) else 0.5
    classes, rows = np.unique(labels, return_counts=True)
    areas = [single_feature_auc(cells, (labels == place).astype(np.int8)) for place in classes]
    return float(np.average(areas, weights=rows)) if len(classes) > 1 else 0.5


def _either_way(labels: Labels, scores: NDArray[np.float64]) -> float:
    auc = roc_auc(labels, scores)
    return max(auc, 1 - auc)


def _ranks(cells: NDArray[Any], missing: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The cells as numbers; a gap gets the middle, so that it favours neither side."""
    values = cells.astype(np.int64).astype(np.float64) if cells.dtype.kind == "M" else cells.astype(np.float64)
    middle = float(np.median(values[~missing])) if (~missing).any() else 0.0
    return np.where(missing, middle, values)


def _rates(cells: NDArray[Any], labels: Labels) -> NDArray[np.float64]:
    texts, places = np.unique(np.where(pd.isna(cells), "\0", cells).astype(str), return_inverse=True)
    if len(texts) > MOST_CATEGORIES:
        return np.zeros(len(cells))
    rows = np.bincount(places)
    positives = np.bincount(places, weights=labels)
    rates: NDArray[np.float64] = ((positives + labels.mean()) / (rows + 1))[places]
    return rates
