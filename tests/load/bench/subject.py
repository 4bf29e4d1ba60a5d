"""What is served: one scikit-learn pipeline on one table, and our package of the same fitted classifier."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from components.contract import CategoryFeature, Feature
from components.encoding import fit_encoding
from components.package import Answer, Contract, Golden, Holdout, Receipt, Target, score_bin, write_package
from components.sklearn_models import SklearnModel
from components.spec import load_spec

MODELS: Final = ("logistic_regression", "random_forest")
_SPEC: Final = Path("services/churn/service.yaml")
#: Rows that answers are compared on and that load is made of.
_ROWS: Final = 500


@dataclass(frozen=True)
class Subject:
    """One model in the shapes that the contestants serve."""

    model: str
    folder: Path
    package: Path
    #: Rows as a caller sends them, and what scikit-learn says about them.
    rows: list[dict[str, Any]]
    expected: NDArray[np.float64]


def prepare(model: str, folder: Path) -> Subject:
    """Trains, and writes the pipeline, MLflow's form of it, MLServer's settings, and our package."""
    spec = load_spec(_SPEC)
    # The transformer puts numbers first; so does the contract, and the columns agree.
    features = dict(sorted(spec.features.items(), key=lambda item: isinstance(item[1], CategoryFeature)))
    table = pd.read_csv(spec.data.uri)
    pipeline = _pipeline(model, features)
    frame = table[list(features)]
    pipeline.fit(frame, table[spec.data.target] == spec.data.positive)
    sample = frame.dropna().sample(_ROWS, random_state=7)
    expected = np.asarray(pipeline.predict_proba(sample)[:, 1], dtype=np.float64)
    rows: list[dict[str, Any]] = json.loads(sample.to_json(orient="records"))
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(pipeline, folder / "model.joblib")
    _write_mlflow(pipeline, folder / "mlflow")
    package = _write_package(folder / "package", model, features, frame, pipeline, rows, expected)
    return Subject(model, folder, package, rows, expected)


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
        target=Target(name="churn", positive="Yes", negative="No"),
    )
    graph = SklearnModel(pipeline.named_steps["classifier"]).onnx(contract.encoding.width)
    golden = [
        Golden(request=row, answer=Answer(probability=score, label=contract.label(score)))
        for row, score in zip(rows[:50], expected.tolist(), strict=False)
    ]
    bins = np.bincount(score_bin(expected), minlength=20)
    zero = "sha256:" + "0" * 64
    receipt = Receipt(name="bench", data=zero, code="0" * 40, lock=zero, candidate=model, run="bench")
    holdout = Holdout(rows=len(rows), scores=tuple(bins.tolist()))
    return write_package(folder, model=graph, contract=contract, golden=golden, holdout=holdout, receipt=receipt).path
