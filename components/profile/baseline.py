"""The quality of a plain model on a table, and the gates and search that follow from it."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from components.features.encoding import encode_table, fit_encoding
from components.profile.roles import sample_rows
from components.spec.contract import Candidate, Feature
from components.table.examples import typed_columns

#: The most rows that the plain model is tried on.
SAMPLE_ROWS = 20_000
#: A version trained on an early part of the table has about this share of the hold-out.
EARLY_SHARE = 0.5


@dataclass(frozen=True)
class Baseline:
    """The quality of a plain logistic regression.

    Attributes:
        roc_auc: mean over three folds.
        error: standard error of the area, on half of a hold-out of a fifth of the rows.
        width: columns of the encoded table.
    """

    roc_auc: float
    error: float
    width: int

    @property
    def smallest_auc(self) -> float:
        """A gate that a sound model passes even with half the rows: two errors and 0.02 below the mean."""
        return max(0.0, math.floor(100 * (self.roc_auc - 2 * self.error - 0.02)) / 100)

    @property
    def largest_loss(self) -> float:
        """The distance that two equally good versions may have on one hold-out."""
        return min(0.1, max(0.01, math.ceil(100 * self.error) / 100))


def measure(frame: pd.DataFrame, features: dict[str, Feature], labels: np.ndarray) -> Baseline:
    """Tries the plain model by three-fold cross-validation on a sample of the rows."""
    rows = sample_rows(len(frame), SAMPLE_ROWS)
    columns = typed_columns(frame.iloc[rows].reset_index(drop=True), features)
    inputs, answers = encode_table(fit_encoding(features, columns), columns), labels[rows]
    folds = StratifiedKFold(3, shuffle=True, random_state=0).split(inputs, answers)
    areas = [_area(inputs, answers, train, test) for train, test in folds]
    held = len(labels) * 0.2 * EARLY_SHARE
    mean = float(np.mean(areas))
    return Baseline(mean, area_error(mean, held * labels.mean(), held * (1 - labels.mean())), inputs.shape[1])


def _area(inputs: np.ndarray, answers: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    model = LogisticRegression(max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(inputs[train], answers[train])
    return float(roc_auc_score(answers[test], model.decision_function(inputs[test])))


def area_error(area: float, positives: float, negatives: float) -> float:
    """Standard error of an area under the ROC curve (Hanley and McNeil, Radiology 143, 1982)."""
    area = min(max(area, 0.5), 0.999)
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (positives - 1) * (one - area**2) + (negatives - 1) * (two - area**2)
    return math.sqrt(max(spread, 0.0) / max(positives * negatives, 1.0))


@dataclass(frozen=True)
class BaselineSearch:
    """The extent of the search; smaller for a large table, where candidates differ clearly anyway."""

    candidates: tuple[Candidate, ...]
    trials: int
    folds: int


def search_for(rows: int, width: int) -> BaselineSearch:
    """A search that two cores finish within minutes, by the number of encoded cells."""
    if rows * width <= 1_000_000:
        return BaselineSearch(("logistic_regression", "random_forest", "gradient_boosting", "keras_mlp"), 8, 3)
    if rows * width <= 10_000_000:
        return BaselineSearch(("logistic_regression", "gradient_boosting"), 4, 3)
    return BaselineSearch(("logistic_regression", "gradient_boosting"), 2, 2)
