"""The scikit-learn candidates, and their ONNX graphs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from components.models.graphs import (
    Layer,
    Tree,
    class_linear_graph,
    class_tree_graph,
    linear_graph,
    number_graph,
    number_tree_graph,
    tree_graph,
)
from components.models.spaces import BOOSTING_ROUNDS, TREES, Matrix, Parameters
from components.spec.tasks import Candidate, Task

#: OpenMP's threads wait for each other at every split; on a busy machine that takes ten times as long as one thread.
MOST_ROWS_ON_ONE_THREAD = 50_000


@dataclass(frozen=True)
class SklearnModel:
    """A fitted estimator for a task."""

    estimator: Any
    task: Task

    def predict(self, encoded: Matrix) -> NDArray[np.float64]:
        """Encoded rows [n, width] -> outputs by task, float64."""
        wide = encoded.astype(np.float64)
        with _threads(len(encoded)):
            found = self.estimator.predict(wide) if self.task == "regression" else self.estimator.predict_proba(wide)
        outputs: NDArray[np.float64] = found[:, 1] if self.task == "binary" else found
        return outputs

    def onnx(self, width: int) -> bytes:
        """The ONNX graph of the estimator alone."""
        exports = {"binary": _binary_graph, "multiclass": _class_graph, "regression": _number_graph}
        return exports[self.task](self.estimator, width)


def _binary_graph(fitted: Any, width: int) -> bytes:
    if isinstance(fitted, LogisticRegression):
        return linear_graph(fitted.coef_[0], float(fitted.intercept_[0]))
    if isinstance(fitted, RandomForestClassifier):
        return tree_graph([_with(tree, values[:, 1]) for tree, values in _shares(fitted)], 0.0, width, log_odds=False)
    # scikit-learn has no public access to boosted trees; every training checks the resulting graph.
    return tree_graph(_boosted_trees(fitted), float(fitted._baseline_prediction.item()), width, log_odds=True)


def _class_graph(fitted: Any, width: int) -> bytes:
    if isinstance(fitted, LogisticRegression):
        return class_linear_graph(fitted.coef_.T, fitted.intercept_)
    if isinstance(fitted, RandomForestClassifier):
        trees = [_with(tree, values) for tree, values in _shares(fitted)]
        return class_tree_graph(trees, np.zeros(fitted.n_classes_), width, log_odds=False)
    return class_tree_graph(_boosted_trees(fitted), fitted._baseline_prediction.ravel(), width, log_odds=True)


def _number_graph(fitted: Any, width: int) -> bytes:
    if isinstance(fitted, Ridge):
        return number_graph([Layer(fitted.coef_[:, None], np.array([fitted.intercept_], dtype=np.float64))], width)
    if isinstance(fitted, RandomForestRegressor):
        trees = [grown.tree_ for grown in fitted.estimators_]
        return number_tree_graph([_with(tree, tree.value[:, 0, 0] / len(trees)) for tree in trees], 0.0, width)
    return number_tree_graph(_boosted_trees(fitted), float(fitted._baseline_prediction.item()), width)


def _with(tree: Any, value: NDArray[np.float64]) -> Tree:
    """A tree of scikit-learn with these values in its nodes."""
    return Tree(
        column=tree.feature.astype(np.int64),
        threshold=tree.threshold,
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        value=value,
    )


def _shares(forest: Any) -> list[tuple[Any, NDArray[np.float64]]]:
    """The trees of a forest, which averages their shares of each class, with these."""
    trees = [grown.tree_ for grown in forest.estimators_]
    return [(tree, tree.value[:, 0] / tree.value[:, 0].sum(axis=1)[:, None] / len(trees)) for tree in trees]


def _boosted_trees(boosting: Any) -> list[Tree]:
    """The trees of gradient boosting, whose values add up to log-odds (of each class), or to the number."""
    grown = [(target, each.nodes) for round_ in boosting._predictors for target, each in enumerate(round_)]
    return [
        Tree(
            column=nodes["feature_idx"].astype(np.int64),
            threshold=nodes["num_threshold"],
            left=np.where(nodes["is_leaf"], -1, nodes["left"].astype(np.int64)),
            right=np.where(nodes["is_leaf"], -1, nodes["right"].astype(np.int64)),
            value=nodes["value"],
            target=target,
        )
        for target, nodes in grown
    ]


def fit_sklearn(
    kind: Candidate, task: Task, parameters: Parameters, encoded: Matrix, labels: NDArray[Any], seed: int
) -> SklearnModel:
    """Fits a scikit-learn candidate to encoded rows, in float64."""
    with _threads(len(encoded)):
        fitted = _estimator(kind, task, parameters, seed).fit(encoded.astype(np.float64), labels)
    if isinstance(fitted, RandomForestClassifier | RandomForestRegressor):
        fitted.n_jobs = 1  # threads would add the trees in changing order, and so change the last digits
    return SklearnModel(fitted, task)


def _threads(rows: int) -> Any:
    return threadpool_limits(1 if rows <= MOST_ROWS_ON_ONE_THREAD else None)


def _estimator(kind: Candidate, task: Task, parameters: Parameters, seed: int) -> Any:
    number = task == "regression"
    if kind == "linear_regression":
        return Ridge(**parameters)
    if kind == "logistic_regression":
        return LogisticRegression(max_iter=2000, **parameters)
    if kind == "random_forest":
        forest = RandomForestRegressor if number else RandomForestClassifier
        return forest(TREES, n_jobs=os.cpu_count(), random_state=seed, **parameters)
    boosting = HistGradientBoostingRegressor if number else HistGradientBoostingClassifier
    return boosting(max_iter=BOOSTING_ROUNDS, early_stopping=False, random_state=seed, **parameters)
