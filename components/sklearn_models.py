"""The scikit-learn candidates, and their ONNX graphs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from components.candidates import BOOSTING_ROUNDS, TREES, Matrix, Parameters
from components.contract import Candidate
from components.graphs import linear_graph, tree_graph


@dataclass(frozen=True)
class SklearnModel:
    """A fitted classifier."""

    classifier: Any

    def positive(self, encoded: Matrix) -> NDArray[np.float64]:
        """Encoded rows [n, width] -> probability of the positive class, float64 [n]."""
        probabilities: NDArray[np.float64] = self.classifier.predict_proba(encoded.astype(np.float64))[:, 1]
        return probabilities

    def onnx(self, width: int) -> bytes:
        """The ONNX graph of the classifier alone."""
        if isinstance(self.classifier, LogisticRegression):
            return linear_graph(self.classifier.coef_[0], float(self.classifier.intercept_[0]))
        return tree_graph(self.classifier, width)


def fit_sklearn(
    kind: Candidate, parameters: Parameters, encoded: Matrix, labels: NDArray[Any], seed: int
) -> SklearnModel:
    """Fits a scikit-learn candidate to encoded rows, in float64."""
    return SklearnModel(_classifier(kind, parameters, seed).fit(encoded.astype(np.float64), labels))


def _classifier(kind: Candidate, parameters: Parameters, seed: int) -> Any:
    if kind == "logistic_regression":
        return LogisticRegression(max_iter=2000, **parameters)
    if kind == "random_forest":
        return RandomForestClassifier(TREES, n_jobs=os.cpu_count(), random_state=seed, **parameters)
    return HistGradientBoostingClassifier(
        max_iter=BOOSTING_ROUNDS, early_stopping=False, random_state=seed, **parameters
    )
