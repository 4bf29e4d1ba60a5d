"""What is served: one scikit-learn pipeline on one table, and our package of the same fitted classifier."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import joblib
import numpy as np
import onnx
import pandas as pd
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from components.features.encoding import fit_encoding
from components.models.sklearn_models import SklearnModel
from components.package.answers import Answer, Target
from components.package.bins import score_bin
from components.package.model_package import INPUT_NAME, Contract, Golden, Holdout, Receipt, write_package
from components.spec.contract import CategoryFeature, DateFeature, Feature, Spec
from components.spec.values import category_text
from components.table.cells import read_table
from components.table.examples import examples_of
from components.table.requests import requests_of
from components.table.wording import reading_of
from tests.load.bench.errors import BenchError

MODELS: Final = ("logistic_regression", "random_forest")
#: The table whose ratios the project claims.
CHURN: Final = Path("services/churn/service.yaml")
#: Rows that answers are compared on and that load is made of.
_ROWS: Final = 500
_FEWEST_ROWS: Final = 100


@dataclass(frozen=True)
class Subject:
    """One model in the shapes that the contestants serve."""

    model: str
    folder: Path
    package: Path
    #: Rows as a caller sends them, and what scikit-learn says about them.
    rows: list[dict[str, Any]]
    expected: NDArray[np.float64]


def prepare(model: str, folder: Path, spec: Spec) -> Subject:
    """Trains on the service's table, and writes the pipeline, MLflow's form of it, MLServer's settings, our package.

    Raises:
        BenchError: the service has what no peer takes as it is, or too few rows.
    """
    features = _peers_features(spec)
    examples = examples_of(read_table(spec.data.uri, reading_of(spec)), spec.model_copy(update={"features": features}))
    requests = requests_of(examples, features)
    frame = pd.DataFrame(requests)
    whole = frame.dropna(subset=[name for name, feature in features.items() if isinstance(feature, CategoryFeature)])
    pipeline = _pipeline(model, features)
    pipeline.fit(whole, examples.labels[whole.index])
    complete = whole.dropna()
    if len(complete) < _FEWEST_ROWS:
        raise BenchError(f"{spec.data.uri}: {len(complete)} rows have no gap; at least {_FEWEST_ROWS} are needed")
    sample = complete.sample(min(_ROWS, len(complete)), random_state=7)
    expected = np.asarray(pipeline.predict_proba(sample)[:, 1], dtype=np.float64)
    rows: list[dict[str, Any]] = [requests[place] for place in sample.index]
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(pipeline, folder / "model.joblib")
    _write_mlflow(pipeline, folder / "mlflow")
    package = _write_package(folder / "package", model, features, whole, pipeline, rows, expected)
    return Subject(model, folder, package, rows, expected)


def _peers_features(spec: Spec) -> dict[str, Feature]:
    """The features in the caller's unit as scikit-learn's transformer takes them, numbers first, as it puts them.

    Raises:
        BenchError: a feature is a date, or a category of values of two types.
    """
    for name, feature in spec.features.items():
        kinds = {type(value) for value in feature.values} if isinstance(feature, CategoryFeature) else {float}
        if isinstance(feature, DateFeature) or len(kinds) > 1:
            raise BenchError(
                f"{spec.name}: {name!r} is {feature.type} that scikit-learn's encoders do not take as callers send it; "
                "choose a service without dates and without categories of mixed types"
            )
    changes: dict[str, dict[str, object]] = {"number": {"factor": 1.0}, "category": {"missing": "refused"}}
    numbers_first = sorted(spec.features.items(), key=lambda item: isinstance(item[1], CategoryFeature))
    return {name: feature.model_copy(update=changes[feature.type]) for name, feature in numbers_first}


def _pipeline(model: str, features: dict[str, Feature]) -> Pipeline:
    categories = {name: feature for name, feature in features.items() if isinstance(feature, CategoryFeature)}
    numbers = [name for name in features if name not in categories]
    gaps = [name for name in numbers if features[name].missing == "allowed"]
    values = [list(feature.values) for feature in categories.values()]
    transformer = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("gaps", MissingIndicator(features="all"), gaps),
            ("categories", OneHotEncoder(categories=values, sparse_output=False), list(categories)),
        ]
    )
    return Pipeline([("columns", transformer), ("classifier", _classifier(model))])


def _classifier(model: str) -> Any:
    if model == "logistic_regression":
        return LogisticRegression(max_iter=2000)
    return RandomForestClassifier(200, random_state=7)


def _write_mlflow(pipeline: Pipeline, folder: Path) -> None:
    import mlflow.sklearn

    # It warns of the pickle; this one is ours and stays here.
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.sklearn.save_model(
        pipeline,
        str(folder),
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[],
        serialization_format="cloudpickle",
    )


def _transformed(features: dict[str, Feature]) -> list[str]:
    """The columns of scikit-learn's transformer by their names in our encoding: all gaps stand behind all numbers."""
    numbers = [name for name, feature in features.items() if not isinstance(feature, CategoryFeature)]
    gaps = [f"{name} is missing" for name in numbers if features[name].missing == "allowed"]
    categories = {name: feature for name, feature in features.items() if isinstance(feature, CategoryFeature)}
    values = [f"{name}={category_text(v)}" for name, feature in categories.items() for v in feature.values]
    return [*numbers, *gaps, *values]


def _ordered(graph: bytes, places: list[int]) -> bytes:
    """The graph that reads its columns from these places; where they are in order already, the graph itself."""
    if places == sorted(places):
        return graph
    model = onnx.load_from_string(graph)
    for node in model.graph.node:
        node.input[:] = ["ordered" if name == INPUT_NAME else name for name in node.input]
    model.graph.initializer.append(numpy_helper.from_array(np.array(places), "places"))
    model.graph.node.insert(0, helper.make_node("Gather", [INPUT_NAME, "places"], ["ordered"], axis=1))
    return bytes(model.SerializeToString())


def _write_package(
    folder: Path,
    model: str,
    features: dict[str, Feature],
    frame: pd.DataFrame,
    pipeline: Pipeline,
    rows: list[dict[str, Any]],
    expected: NDArray[np.float64],
) -> Path:
    contract = Contract(
        name="bench",
        features=features,
        encoding=fit_encoding(features, {name: frame[name].to_numpy() for name in features}),
        target=Target(name="target", positive="1", negative="0"),
    )
    graph = SklearnModel(pipeline.named_steps["classifier"], "binary").onnx(contract.encoding.width)
    graph = _ordered(graph, [contract.encoding.columns.index(name) for name in _transformed(features)])
    golden = [
        Golden(request=row, answer=Answer(probability=score, label=contract.label(score)))
        for row, score in zip(rows[:50], expected.tolist(), strict=False)
    ]
    bins = np.bincount(score_bin(expected), minlength=20)
    zero = "sha256:" + "0" * 64
    receipt = Receipt(name="bench", data=zero, code="0" * 40, lock=zero, candidate=model, run="bench")
    holdout = Holdout(rows=len(rows), scores=tuple(bins.tolist()))
    return write_package(folder, model=graph, contract=contract, golden=golden, holdout=holdout, receipt=receipt).path
