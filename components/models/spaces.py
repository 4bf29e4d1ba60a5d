"""The search space: the parameter values for each kind of model."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.spec.tasks import Candidate

Parameters = Mapping[str, Any]
Matrix = NDArray[np.float32]

#: The values to try, the most sensible first. The number of leaves bounds a forest, so that a package stays small for
#: any number of rows. A kind's place decides the random numbers of its plan, so that new ones come last.
SPACES: dict[Candidate, dict[str, tuple[Any, ...]]] = {
    "logistic_regression": {"C": (1.0, 0.1, 0.01, 10.0)},
    "linear_regression": {"alpha": (1.0, 0.1, 10.0, 100.0)},
    "random_forest": {
        "min_samples_leaf": (10, 3, 30),
        "max_features": ("sqrt", 0.3),
        "max_leaf_nodes": (256, 64),
    },
    "gradient_boosting": {
        "learning_rate": (0.06, 0.03, 0.15),
        "max_leaf_nodes": (8, 16, 31),
        "l2_regularization": (1.0, 0.0),
    },
    "keras_mlp": {"units": ((32,), (64, 32)), "learning_rate": (0.005, 0.002), "dropout": (0.2, 0.0)},
    "lightgbm": {"learning_rate": (0.06, 0.03, 0.15), "num_leaves": (8, 16, 31), "lambda_l2": (1.0, 0.0)},
    "xgboost": {"learning_rate": (0.1, 0.05, 0.2), "max_depth": (3, 5, 7), "lambda": (1.0, 5.0)},
}

TREES = 100
BOOSTING_ROUNDS = 100


def combinations(kind: Candidate) -> list[dict[str, Any]]:
    """Every point of a kind's space; the first is the most sensible one."""
    space = SPACES[kind]
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
