"""Measures how well a single feature predicts the answer."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.evaluation.metrics import roc_auc
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
