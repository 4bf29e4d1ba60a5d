"""The scikit-learn candidates, and their ONNX graphs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from components.models.graphs import Tree, linear_graph, tree_graph
from components.models.spaces import BOOSTING_ROUNDS, TREES, Matrix, Parameters
from components.spec.contract import Candidate

#: OpenMP's threads wait for each other at every split; on a busy machine that takes ten times as long as one thread.
MOST_ROWS_ON_ONE_THREAD = 50_000


@dataclass(frozen=True)
class SklearnModel:
    """A fitted classifier."""

    classifier: Any

    def positive(self, encoded: Matrix) -> NDArray[np.float64]:
        """Encoded rows [n, width] -> probability of the positive class, float64 [n]."""
        with _threads(len(encoded)):
            probabilities: NDArray[np.float64] = self.classifier.predict_proba(encoded.astype(np.float64))[:, 1]
        return probabilities

    def onnx(self, width: int) -> bytes:
        """The ONNX graph of the classifier alone."""
        if isinstance(self.classifier, LogisticRegression):
            return linear_graph(self.classifier.coef_[0], float(self.classifier.intercept_[0]))
        if isinstance(self.classifier, RandomForestClassifier):
            return tree_graph(_forest_trees(self.classifier), 0.0, width, log_odds=False)
        # scikit-learn has no public access to boosted trees; every training checks the resulting graph.
        base = float(self.classifier._baseline_prediction.item())
        return tree_graph(_boosted_trees(self.classifier), base, width, log_odds=True)


def _forest_trees(forest: Any) -> list[Tree]:
    """The trees of a forest, which averages their shares of positives."""
    trees = [grown.tree_ for grown in forest.estimators_]
    return [
        Tree(
            column=tree.feature.astype(np.int64),
            threshold=tree.threshold,
            left=tree.children_left.astype(np.int64),
            right=tree.children_right.astype(np.int64),
            value=tree.value[:, 0, 1] / tree.value[:, 0].sum(axis=1) / len(trees),
        )
        for tree in trees
    ]


def _boosted_trees(boosting: Any) -> list[Tree]:
    """The trees of gradient boosting, whose values add up to log-odds."""
    grown = [predictor.nodes for (predictor,) in boosting._predictors]
    return [
        Tree(
            column=nodes["feature_idx"].astype(np.int64),
            threshold=nodes["num_threshold"],
            left=np.where(nodes["is_leaf"], -1, nodes["left"].astype(np.int64)),
            right=np.where(nodes["is_leaf"], -1, nodes["right"].astype(np.int64)),
            value=nodes["value"],
        )
        for nodes in grown
    ]


def fit_sklearn(
    kind: Candidate, parameters: Parameters, encoded: Matrix, labels: NDArray[Any], seed: int
) -> SklearnModel:
    """Fits a scikit-learn candidate to encoded rows, in float64."""
    with _threads(len(encoded)):
        fitted = _classifier(kind, parameters, seed).fit(encoded.astype(np.float64), labels)
    if isinstance(fitted, RandomForestClassifier):
        fitted.n_jobs = 1  # threads would add the trees in changing order, and so change the last digits
    return SklearnModel(fitted)


def _threads(rows: int) -> Any:
    return threadpool_limits(1 if rows <= MOST_ROWS_ON_ONE_THREAD else None)


def _classifier(kind: Candidate, parameters: Parameters, seed: int) -> Any:
    if kind == "logistic_regression":
        return LogisticRegression(max_iter=2000, **parameters)
    if kind == "random_forest":
        return RandomForestClassifier(TREES, n_jobs=os.cpu_count(), random_state=seed, **parameters)
    return HistGradientBoostingClassifier(
        max_iter=BOOSTING_ROUNDS, early_stopping=False, random_state=seed, **parameters
    )
