"""The quality of a plain model of classes or of numbers on a table, and the gates that follow from it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold

from components.evaluation.class_metrics import balanced_accuracy, surprises
from components.evaluation.number_metrics import r2
from components.evaluation.versus_champion import margin_in_errors
from components.features.encoding import encode_table, fit_encoding
from components.profile.baseline import CORRELATION, ERROR_SHARE, SAMPLE_ROWS, USUAL_LOSS
from components.profile.roles import sample_rows
from components.spec.contract import Feature
from components.table.examples import typed_columns

#: A gate leaves room for two standard errors and this part of the plain model's loss.
_ROOM: Final = 0.1
#: And for so much less of what is explained or found.
_LESS: Final = 0.05
#: So much more than a guess is nothing.
_NOTHING: Final = 0.01

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class LossBaseline:
    """The quality of a plain model whose loss is a mean over rows.

    Attributes:
        loss: mean over the rows of three folds: the log loss, or the absolute error in the target's unit.
        error: standard error of the loss, on half of a hold-out of a fifth of the rows.
        share: what it explains of a number's variance, or finds of the classes, on average.
        width: columns of the encoded table.
        guess: the share that a guess explains or finds.
        relative: whether a fall below the champion is told in parts of the champion's loss.
    """

    loss: float
    error: float
    share: float
    width: int
    relative: bool
    guess: float

    @property
    def tells_nothing(self) -> bool:
        """Whether the columns tell no more of the target than a guess, as far as this model can see."""
        return self.share - self.guess <= _NOTHING

    @property
    def largest_loss_allowed(self) -> float:
        """A gate that a sound model passes even with half the rows, with two digits."""
        most = (self.loss + 2 * self.error) * (1 + _ROOM)
        step = 10.0 ** (math.floor(math.log10(most)) - 1) if most > 0 else 1.0
        return float(f"{math.ceil(most / step) * step:.6g}")

    @property
    def smallest_share(self) -> float:
        """A gate for what is explained or found."""
        return max(0.0, math.floor(100 * (self.share - _LESS)) / 100)

    def shown_loss(self, holdout: float) -> float:
        """The smallest fall that a hold-out of this share of the rows can rule out, nine times in ten, of an equal one.

        Of numbers it is in parts of the loss.
        """
        error = self.error * math.sqrt(ERROR_SHARE / holdout) * math.sqrt(2 * (1 - CORRELATION))
        return margin_in_errors() * error / (self.loss if self.relative and self.loss > 0 else 1.0)

    def largest_loss(self, holdout: float) -> float:
        """A limit for the fall below the champion that an equally good version seldom breaks."""
        return max(USUAL_LOSS, math.ceil(100 * self.shown_loss(holdout)) / 100)


def measure_numbers(frame: pd.DataFrame, features: dict[str, Feature], labels: Array) -> LossBaseline:
    """Tries a plain linear regression by three-fold cross-validation on a sample of the rows."""
    inputs, answers = _encoded(frame, features, labels)
    found = np.zeros(len(answers))
    for train, test in KFold(3, shuffle=True, random_state=0).split(inputs):
        found[test] = Ridge().fit(inputs[train], answers[train]).predict(inputs[test])
    return _baseline(np.abs(found - answers), float(r2(answers, found)), inputs.shape[1], len(labels), None)


def measure_classes(frame: pd.DataFrame, features: dict[str, Feature], labels: Array) -> LossBaseline:
    """Tries a plain logistic regression by three-fold cross-validation on a sample of the rows."""
    inputs, answers = _encoded(frame, features, labels)
    found = np.zeros((len(answers), int(labels.max()) + 1))
    for train, test in StratifiedKFold(3, shuffle=True, random_state=0).split(inputs, answers):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(max_iter=200).fit(inputs[train], answers[train])
        found[np.ix_(test, model.classes_.astype(np.intp))] = model.predict_proba(inputs[test])
    share = float(balanced_accuracy(answers, found))
    return _baseline(surprises(answers, found), share, inputs.shape[1], len(labels), found.shape[1])


Measure = Callable[[pd.DataFrame, dict[str, Feature], Array], LossBaseline]


def _encoded(frame: pd.DataFrame, features: dict[str, Feature], labels: Array) -> tuple[Array, Array]:
    rows = sample_rows(len(frame), SAMPLE_ROWS)
    columns = typed_columns(frame.iloc[rows].reset_index(drop=True), features)
    return encode_table(fit_encoding(features, columns), columns), labels[rows]


def _baseline(losses: Array, share: float, width: int, rows: int, classes: int | None) -> LossBaseline:
    """The baseline of numbers (`classes` is None), or of so many classes."""
    error = float(losses.std() / math.sqrt(max(rows * ERROR_SHARE, 1.0)))
    return LossBaseline(
        float(losses.mean()), error, share, width, classes is None, 0.0 if classes is None else 1 / classes
    )
