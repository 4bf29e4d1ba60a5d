"""Parity: the package and an independent scikit-learn pipeline agree on every row of the hold-out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from components.models.spaces import BOOSTING_ROUNDS, TREES, combinations
from components.models.trained import Fit, Trained, graph_runner
from components.models.training import TrainedModel, train_candidate
from components.models.trials import Trial
from components.spec.tasks import Candidate
from components.table.examples import Examples
from components.table.holdout import split_examples
from tests.components.small_table import small_examples, small_spec

SPEC = small_spec(training={"candidates": ["logistic_regression"], "seed": 3})
SIDES = split_examples(small_examples(900, SPEC), SPEC)


def trial(kind: Candidate, parameters: dict[str, Any]) -> Trial:
    return Trial(number=0, candidate=kind, parameters=parameters, scores=(0.5,), seconds=0.0)


def same(made: TrainedModel) -> Fit:
    """The record of a training without what it used, which differs each time."""
    return made.fit.model_copy(update={"usage": None})


def oracle_matrix(examples: Examples) -> NDArray[Any]:
    """The features in scikit-learn's form: days since 1970, texts, NaN and "" for gaps."""
    columns = dict(examples.columns)
    columns["since"] = (columns["since"] - np.datetime64("1970-01-01")) / np.timedelta64(1, "D")
    return np.array(list(columns.values()), dtype=object).T


def oracle(classifier: Any) -> Pipeline:
    number = make_pipeline(FunctionTransformer(np.float64), SimpleImputer(strategy="median"), StandardScaler())
    gap = make_pipeline(FunctionTransformer(lambda cells: np.isnan(cells.astype(np.float64)).astype(float)))
    missing = make_pipeline(FunctionTransformer(lambda cells: pd.isna(cells).astype(float)))
    plans = OneHotEncoder(categories=[["basic", "plus", "pro"]], handle_unknown="ignore", sparse_output=False)
    steps = [
        ("größe", number, [0]),
        ("größe missing", gap, [0]),
        ("plan", plans, [1]),
        ("plan missing", missing, [1]),
        ("since", number, [2]),
        ("spend", number, [3]),
        ("senior", OneHotEncoder(categories=[["0", "1"]], sparse_output=False), [4]),
    ]
    # Serving's graph reads float32, so the model is fitted to float32 values.
    rounded = FunctionTransformer(lambda matrix: matrix.astype(np.float32).astype(np.float64))
    return make_pipeline(ColumnTransformer(steps), rounded, classifier)


CLASSIFIERS: dict[Candidate, Any] = {
    "logistic_regression": lambda p: LogisticRegression(max_iter=2000, **p),
    "random_forest": lambda p: RandomForestClassifier(TREES, random_state=3, **p),
    "gradient_boosting": lambda p: HistGradientBoostingClassifier(
        max_iter=BOOSTING_ROUNDS, early_stopping=False, random_state=3, **p
    ),
}


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_the_graph_answers_what_scikit_learn_answers(kind: Candidate, place: int) -> None:
    parameters = combinations(kind)[place]
    made = train_candidate(SIDES.train, SPEC, trial(kind, parameters))
    with threadpool_limits(1):
        pipeline = oracle(CLASSIFIERS[kind](parameters)).fit(oracle_matrix(SIDES.train), SIDES.train.labels)
        expected = pipeline.predict_proba(oracle_matrix(SIDES.holdout))[:, 1]
    answered = Trained(made.fit.encoding, graph_runner(made.model)).score(SIDES.holdout.columns)
    gaps = [np.isnan(SIDES.holdout.columns["größe"]).sum(), pd.isna(SIDES.holdout.columns["plan"]).sum()]
    assert min(gaps) > 5
    assert np.abs(answered - expected).max() < 1e-6
    assert made.fit.parity < 1e-6


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_training_again_gives_the_same_bytes(kind: Candidate) -> None:
    first, second = (train_candidate(SIDES.train, SPEC, trial(kind, combinations(kind)[0])) for _ in range(2))
    assert first.model == second.model
    assert same(first) == same(second)


@pytest.mark.slow
def test_a_network_has_parity_and_repeats_itself() -> None:
    from components.features.encoding import encode_table
    from components.models.keras_mlp import fit_mlp

    parameters = {"units": (8, 4), "learning_rate": 0.01, "dropout": 0.2}
    made = train_candidate(SIDES.train, SPEC, trial("keras_mlp", parameters))
    assert (made.fit.strategy, made.fit.candidate) == ("none", "keras_mlp")
    assert made.model == train_candidate(SIDES.train, SPEC, trial("keras_mlp", parameters)).model
    trained = Trained(made.fit.encoding, graph_runner(made.model))
    fitted = fit_mlp(
        "binary", parameters, encode_table(made.fit.encoding, SIDES.train.columns), SIDES.train.labels, 3, "none"
    )
    expected = fitted.predict(encode_table(made.fit.encoding, SIDES.holdout.columns))
    assert np.abs(trained.score(SIDES.holdout.columns) - expected).max() < 1e-6
