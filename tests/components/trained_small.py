"""Models of the small table: one really trained, others with known answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.evaluate import evaluate_model
from components.evaluation.result import Evaluation
from components.features.encoding import fit_encoding
from components.models.cuts import Cuts, cuts_of
from components.models.trained import Trained, graph_runner
from components.models.training import TrainedModel, train_candidate
from components.models.trials import Trial
from components.package.model_package import Package
from components.registry.packaging import Origin, package_model
from components.spec.contract import Spec
from components.table.examples import Examples
from components.table.holdout import Sides, split_examples
from tests.components.small_table import small_examples, small_spec

ORIGIN = Origin(run="small-1", snapshot="sha256:" + "a" * 64, code="c0ffee", lock="sha256:" + "b" * 64)


@cache
def small_sides(rows: int = 600) -> Sides:
    return split_examples(small_examples(rows), small_spec())


@cache
def small_model(rows: int = 600, c: float = 1.0) -> TrainedModel:
    trial = Trial(number=0, candidate="logistic_regression", parameters={"C": c}, scores=(0.5,), seconds=0.0)
    return train_candidate(small_sides(rows).train, small_spec(), trial)


def trained(made: TrainedModel) -> Trained:
    return Trained(made.fit.encoding, graph_runner(made.model))


#: What decisions are worth, in the tests.
WORTH = {"true_positive": 8, "false_positive": -2, "false_negative": -10, "currency": "USD"}


@cache
def small_cuts() -> Cuts:
    """Thresholds to choose from; of a model that saw the rows, which a search never does."""
    train = small_sides().train
    return cuts_of(train.labels, trained(small_model()).score(train.columns))


def evaluated(made: TrainedModel, spec: Spec | None = None, champion: Package | None = None) -> Evaluation:
    asked, holdout = spec or small_spec(), small_sides().holdout
    cuts = small_cuts() if asked.decision else None
    return evaluate_model("logistic_regression", trained(made), len(made.model), holdout, asked, champion, cuts)


def packaged(folder: Path, made: TrainedModel, spec: Spec | None = None, champion: Package | None = None) -> Package:
    asked = spec or small_spec()
    evaluation = evaluated(made, asked, champion)
    return package_model(made.model, made.fit, evaluation, small_sides().holdout, asked, ORIGIN, folder)


def known_model(examples: Examples, answer: Callable[[NDArray[np.float32], tuple[str, ...]], object]) -> Trained:
    """A model that answers by a function of the encoded matrix and its column names."""
    encoding = fit_encoding(small_spec().features, examples.columns)

    def probabilities(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(answer(encoded, encoding.columns), dtype=np.float32)

    return Trained(encoding, probabilities)
