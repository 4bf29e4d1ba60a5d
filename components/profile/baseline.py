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

from components.evaluation.versus_champion import margin_in_errors
from components.features.encoding import encode_table, fit_encoding
from components.profile.roles import sample_rows
from components.spec.contract import Feature
from components.spec.tasks import RULES, Candidate, Task
from components.table.examples import typed_columns

#: The most rows that the plain model is tried on.
SAMPLE_ROWS = 20_000
#: The share of the rows that `error` is about: half of a hold-out of a fifth, as a version has that is trained early.
ERROR_SHARE = 0.2 * 0.5
#: How alike the areas of two equally good versions are on the same rows. Forests, boosting and logistic regression
#: on four public tables (churn, breast cancer, digits, diabetes) had 0.6 to 0.95, of one kind 0.8 to 0.95.
CORRELATION = 0.85
#: The loss that a gate allows by default where the hold-out is large enough.
USUAL_LOSS = 0.01


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
        """A gate that a sound model passes even with half the rows: two errors and 0.02 below the mean.

        It is never so low that a model which knows nothing would pass more often than once in 40 times.
        """
        sound = math.floor(100 * (self.roc_auc - 2 * self.error - 0.02)) / 100
        return max(sound, math.ceil(100 * (0.5 + 2 * self.error / math.sqrt(2))) / 100)

    @property
    def tells_nothing(self) -> bool:
        """Whether the columns tell no more of the target than a guess, as far as this model can see."""
        whole = self.error * math.sqrt(ERROR_SHARE)
        return self.roc_auc - 2 * whole <= 0.5

    def shown_loss(self, holdout: float) -> float:
        """The smallest loss that a hold-out of this share of the rows can rule out, nine times in ten, of an equal one.

        The comparison asks that the loss's whole interval be within the limit (`components/evaluation`).
        """
        error = self.error * math.sqrt(ERROR_SHARE / holdout)
        return margin_in_errors() * error * math.sqrt(2 * (1 - CORRELATION))

    def largest_loss(self, holdout: float) -> float:
        """A limit for the loss against the champion that an equally good version seldom breaks."""
        return max(USUAL_LOSS, math.ceil(100 * self.shown_loss(holdout)) / 100)


def measure(frame: pd.DataFrame, features: dict[str, Feature], labels: np.ndarray) -> Baseline:
    """Tries the plain model by three-fold cross-validation on a sample of the rows."""
    rows = sample_rows(len(frame), SAMPLE_ROWS)
    columns = typed_columns(frame.iloc[rows].reset_index(drop=True), features)
    inputs, answers = encode_table(fit_encoding(features, columns), columns), labels[rows]
    folds = StratifiedKFold(3, shuffle=True, random_state=0).split(inputs, answers)
    areas = [_area(inputs, answers, train, test) for train, test in folds]
    held = len(labels) * ERROR_SHARE
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


def search_for(rows: int, width: int, task: Task = "binary") -> BaselineSearch:
    """A search that two cores finish within minutes, by the number of encoded cells."""
    everything = RULES[task].tried
    fast = tuple(kind for kind in everything if kind not in ("random_forest", "keras_mlp"))
    if rows * width <= 1_000_000:
        return BaselineSearch(everything, 8, 3)
    return BaselineSearch(fast, 4, 3) if rows * width <= 10_000_000 else BaselineSearch(fast, 2, 2)
