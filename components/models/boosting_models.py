"""The candidates of LightGBM and XGBoost, and their ONNX graphs.

Their trees are written into the same graph as scikit-learn's, in float64; every training compares the graph with the
library's own way through them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from components.errors import ModelLibraryError
from components.models.graphs import Tree, class_tree_graph, number_tree_graph, tree_graph
from components.models.sklearn_models import MOST_ROWS_ON_ONE_THREAD
from components.models.spaces import BOOSTING_ROUNDS, Matrix, Parameters
from components.spec.tasks import Candidate, Task

_LIGHTGBM_OBJECTIVES: Final[Mapping[Task, str]] = {
    "binary": "binary",
    "multiclass": "multiclass",
    "regression": "regression",
}
_XGBOOST_OBJECTIVES: Final[Mapping[Task, str]] = {
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
    "regression": "reg:squarederror",
}
#: `kZeroThreshold` of LightGBM, a float32.
_LIGHTGBM_ZERO: Final = float(np.float32(1e-35))


@dataclass(frozen=True)
class BoostedModel:
    """Fitted trees for a task.

    Attributes:
        trees: their values add up to log-odds (of each class), or to the number without `base`.
        answers: the library's own outputs for encoded rows, by task, float64.
    """

    task: Task
    trees: list[Tree]
    base: float
    classes: int
    answers: Callable[[Matrix], NDArray[np.float64]]

    def predict(self, encoded: Matrix) -> NDArray[np.float64]:
        """Encoded rows [n, width] -> outputs by task, float64."""
        return self.answers(encoded)

    def onnx(self, width: int) -> bytes:
        """The ONNX graph of the trees alone."""
        if self.task == "regression":
            return number_tree_graph(self.trees, self.base, width)
        if self.task == "multiclass":
            return class_tree_graph(self.trees, np.zeros(self.classes), width, log_odds=True)
        return tree_graph(self.trees, self.base, width, log_odds=True)


def fit_boosted(
    kind: Candidate, task: Task, parameters: Parameters, encoded: Matrix, labels: NDArray[Any], seed: int
) -> BoostedModel:
    """Fits a candidate of LightGBM or XGBoost; the same arguments give the same model.

    Raises:
        ModelLibraryError: the library cannot be loaded here; says what it wants.
    """
    library = _library(kind)
    classes = int(labels.max()) + 1 if task == "multiclass" else 1
    threads = 1 if len(encoded) <= MOST_ROWS_ON_ONE_THREAD else os.cpu_count() or 1
    fit = _fit_lightgbm if kind == "lightgbm" else _fit_xgboost
    return fit(library, _Wish(task, parameters, classes, seed, threads), encoded, labels)


@dataclass(frozen=True)
class _Wish:
    task: Task
    parameters: Parameters
    classes: int
    seed: int
    threads: int


def _library(kind: Candidate) -> Any:
    try:
        return import_module(kind)
    except (ImportError, OSError) as error:
        raise ModelLibraryError(
            f"training.candidates: {kind} cannot be loaded here ({error}); run `make setup`, install the system's "
            f"library that it names (libgomp1 on Debian), or leave {kind} out"
        ) from error


# --- LightGBM -------------------------------------------------------------------------------


def _fit_lightgbm(library: Any, wish: _Wish, encoded: Matrix, labels: NDArray[Any]) -> BoostedModel:
    asked = {
        "objective": _LIGHTGBM_OBJECTIVES[wish.task],
        "seed": wish.seed,
        "num_threads": wish.threads,
        # A histogram is then added up in the same order on any machine.
        "deterministic": True,
        "force_row_wise": True,
        # The encoding leaves no gap, so that a zero and a gap cannot be taken for each other.
        "use_missing": False,
        "verbosity": -1,
        **({"num_class": wish.classes} if wish.task == "multiclass" else {}),
        **wish.parameters,
    }
    rows = library.Dataset(encoded.astype(np.float64), label=labels.astype(np.float64), free_raw_data=True)
    booster = library.train(asked, rows, num_boost_round=BOOSTING_ROUNDS)
    grown = booster.dump_model()["tree_info"]
    trees = [_lightgbm_tree(each["tree_structure"], place % wish.classes) for place, each in enumerate(grown)]

    def answers(matrix: Matrix) -> NDArray[np.float64]:
        found: NDArray[np.float64] = booster.predict(matrix.astype(np.float64), num_threads=1)
        return found

    return BoostedModel(wish.task, trees, 0.0, wish.classes, answers)


def _at_zero(threshold: float) -> float:
    """The threshold as LightGBM acts on it: cells this near to zero count as zero, on whichever side they are."""
    if -_LIGHTGBM_ZERO <= threshold < 0:
        return float(np.nextafter(-_LIGHTGBM_ZERO, -np.inf))
    return _LIGHTGBM_ZERO if 0 <= threshold <= _LIGHTGBM_ZERO else threshold


def _lightgbm_tree(root: Mapping[str, Any], target: int) -> Tree:
    """A tree of LightGBM's JSON; a row goes left if its cell is at most the threshold, as in ours."""
    column: list[int] = []
    left: list[int] = []
    right: list[int] = []
    threshold: list[float] = []
    value: list[float] = []
    waiting: list[tuple[Mapping[str, Any], list[int] | None, int]] = [(root, None, 0)]
    while waiting:
        node, side, parent = waiting.pop()
        place = len(value)
        if side is not None:
            side[parent] = place
        inner = "split_feature" in node
        if inner and node["decision_type"] != "<=":
            raise ModelLibraryError(f"lightgbm: a split by {node['decision_type']} has no place in the graph")
        column.append(node["split_feature"] if inner else 0)
        threshold.append(_at_zero(node["threshold"]) if inner else 0.0)
        value.append(0.0 if inner else node["leaf_value"])
        left.append(-1)
        right.append(-1)
        if inner:
            waiting += [(node["right_child"], right, place), (node["left_child"], left, place)]
    return Tree(
        column=np.array(column, dtype=np.int64),
        threshold=np.array(threshold, dtype=np.float64),
        left=np.array(left, dtype=np.int64),
        right=np.array(right, dtype=np.int64),
        value=np.array(value, dtype=np.float64),
        target=target,
    )


# --- XGBoost --------------------------------------------------------------------------------


def _fit_xgboost(library: Any, wish: _Wish, encoded: Matrix, labels: NDArray[Any]) -> BoostedModel:
    """The leaves are float32, so those of a number are in parts of its deviation: its size then costs no digit."""
    number = wish.task == "regression"
    shift, scale = (float(labels.mean()), float(labels.std())) if number else (0.0, 1.0)
    asked = {
        "objective": _XGBOOST_OBJECTIVES[wish.task],
        "tree_method": "hist",
        "seed": wish.seed,
        "nthread": wish.threads,
        # Log-odds of 0: the first trees find the base rate.
        "base_score": 0.0 if number else 0.5,
        "verbosity": 0,
        **({"num_class": wish.classes} if wish.task == "multiclass" else {}),
        **wish.parameters,
    }
    rows = library.DMatrix(encoded, label=(labels - shift) / scale)
    booster = library.train(asked, rows, num_boost_round=BOOSTING_ROUNDS)
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    targets = model["tree_info"]
    trees = [_xgboost_tree(each, scale, target) for each, target in zip(model["trees"], targets, strict=True)]

    def answers(matrix: Matrix) -> NDArray[np.float64]:
        leaves = booster.predict(library.DMatrix(matrix, nthread=1), pred_leaf=True)
        places = leaves.reshape(len(matrix), -1).astype(np.intp)
        sums = np.zeros((len(matrix), wish.classes))
        for at, tree in enumerate(trees):
            sums[:, tree.target] += tree.value[places[:, at]]
        return _outputs(wish.task, sums, shift)

    return BoostedModel(wish.task, trees, shift, wish.classes, answers)


def _outputs(task: Task, sums: NDArray[np.float64], shift: float) -> NDArray[np.float64]:
    """The outputs for the sums of the leaves that XGBoost reaches; it adds them in float32 itself."""
    if task == "regression":
        return sums[:, 0] + shift
    outputs: NDArray[np.float64] = softmax(sums, axis=1) if task == "multiclass" else expit(sums[:, 0])
    return outputs


def _xgboost_tree(tree: Mapping[str, Any], scale: float, target: int) -> Tree:
    """A tree of XGBoost's JSON; a row goes left if its float32 cell is below the threshold."""
    left = np.array(tree["left_children"], dtype=np.int64)
    conditions = np.array(tree["split_conditions"], dtype=np.float32)
    leaf = left < 0
    # At most the next smaller float32 is the same as below.
    below = np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64)
    return Tree(
        column=np.where(leaf, 0, np.array(tree["split_indices"], dtype=np.int64)),
        threshold=np.where(leaf, 0.0, below),
        left=left,
        right=np.array(tree["right_children"], dtype=np.int64),
        value=np.where(leaf, conditions.astype(np.float64) * scale, 0.0),
        target=target,
    )
