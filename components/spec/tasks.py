"""What a model answers: a probability, a class or a number; and the candidates and metrics that suit each.

The only list of tasks. What a part does for each task is that part's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

#: binary: the probability of one of two words; multiclass: one of several classes; regression: a number.
Task = Literal["binary", "multiclass", "regression"]

Candidate = Literal[
    "logistic_regression", "linear_regression", "random_forest", "gradient_boosting", "keras_mlp",
    "lightgbm", "xgboost",
]  # fmt: skip

#: Those of a library of their own, which do every task and are tried only where a spec names them.
BOOSTED: Final[tuple[Candidate, ...]] = ("lightgbm", "xgboost")

#: What a search maximises. scikit-learn's names: `neg_` is before what is better when small.
SearchMetric = Literal[
    "roc_auc", "average_precision", "neg_brier_score",
    "neg_log_loss", "balanced_accuracy", "f1_macro",
    "neg_mean_absolute_error", "neg_root_mean_squared_error", "r2",
]  # fmt: skip

#: The classes that a target may have.
FEWEST_CLASSES: Final = 3
MOST_CLASSES: Final = 100


@dataclass(frozen=True)
class TaskRules:
    """What suits a task.

    Attributes:
        tried: kinds of model that are tried by default.
        search: metrics that a search may maximise, the default first.
        gates: gates on a metric, the first of them is the one for the comparison with the champion.
        costs: those of all its metrics that are better when small.
    """

    tried: tuple[Candidate, ...]
    search: tuple[SearchMetric, ...]
    gates: tuple[str, ...]
    costs: frozenset[str]

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Kinds of model that can do it."""
        return (*self.tried, *BOOSTED)


RULES: Final[Mapping[Task, TaskRules]] = {
    "binary": TaskRules(
        tried=("logistic_regression", "random_forest", "gradient_boosting", "keras_mlp"),
        search=("roc_auc", "average_precision", "neg_brier_score"),
        gates=(
            *("roc_auc", "average_precision", "calibration_error"),
            *("balanced_accuracy", "precision", "recall", "f1", "accuracy", "log_loss", "value"),
        ),
        costs=frozenset({"brier_score", "log_loss", "calibration_error"}),
    ),
    "multiclass": TaskRules(
        tried=("logistic_regression", "random_forest", "gradient_boosting", "keras_mlp"),
        search=("neg_log_loss", "balanced_accuracy", "f1_macro"),
        gates=("log_loss", "balanced_accuracy", "f1_macro", "accuracy", "calibration_error", "precision_macro"),
        costs=frozenset({"brier_score", "log_loss", "calibration_error"}),
    ),
    "regression": TaskRules(
        tried=("linear_regression", "random_forest", "gradient_boosting", "keras_mlp"),
        search=("neg_mean_absolute_error", "neg_root_mean_squared_error", "r2"),
        gates=(
            "mean_absolute_error",
            "root_mean_squared_error",
            "r2",
            "mean_absolute_percentage_error",
            "pinball_loss",
        ),
        costs=frozenset(
            {"mean_absolute_error", "root_mean_squared_error", "mean_absolute_percentage_error", "pinball_loss"}
        ),
    ),
}

#: Every metric with a gate.
GATED_METRICS: Final = tuple(dict.fromkeys(name for rules in RULES.values() for name in rules.gates))

#: All costs: one name means the same in every task.
COSTS: Final = frozenset[str]().union(*(rules.costs for rules in RULES.values()))

#: Metrics in the target's own unit.
IN_UNITS: Final = ("mean_absolute_error", "root_mean_squared_error", "pinball_loss")


def measured(metric: str) -> str:
    """The metric that a search's name is about: `neg_brier_score` maximises minus `brier_score`."""
    return metric.removeprefix("neg_")
