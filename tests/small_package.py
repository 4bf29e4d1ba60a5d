"""A small real package: a logistic regression written as an ONNX graph by hand, over every kind of feature."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from components.features.encoding import Encoding, RequestValue, encode_rows, fit_encoding
from components.package.answers import OUTPUTS, Answer, Target
from components.package.bins import score_bin
from components.package.model_package import (
    INPUT_NAME,
    Contract,
    Golden,
    Holdout,
    Package,
    Receipt,
    write_package,
)
from components.spec.contract import CategoryFeature, DateFeature, Feature, Limits, NumberFeature, Objectives

OUTPUT = OUTPUTS["binary"].name

FEATURES: dict[str, Feature] = {
    "tenure": NumberFeature(type="number", unit="months", min=0, max=120),
    "fee in cents": NumberFeature(type="number", unit="cents", min=0, max=15000, factor=0.01),
    "gehälter": NumberFeature(type="number", min=-10, max=10, missing="allowed"),
    "contract": CategoryFeature(type="category", values=("Month-to-month", "One year", "Two year")),
    "senior": CategoryFeature(type="category", values=(0, 1)),
    "class": CategoryFeature(type="category", values=(True, False), missing="allowed"),
    "since": DateFeature(type="date", min=date(2010, 1, 1), max=date(2030, 12, 31), missing="allowed"),
}

TABLE: dict[str, list[object]] = {
    "tenure": [1, 34, 2, 45, 8, 22, 10, 28],
    "fee in cents": [29.85, 56.95, 53.85, 42.3, 99.65, 89.1, 29.75, 104.8],
    "gehälter": [1.5, None, -3.0, 0.25, None, 2.0, 9.5, -9.0],
    "contract": ["Month-to-month", "One year", "Two year", "One year"] * 2,
    "senior": [0, 1, 0, 0, 1, 0, 0, 1],
    "class": [True, None, False, True, False, True, None, False],
    "since": ["2019-02-03", None, "2020-12-31", "2011-05-05", "2029-01-01", "2012-02-29", "2020-01-01", None],
}

GOOD: dict[str, RequestValue] = {
    "tenure": 12,
    "fee in cents": 7035.5,
    "gehälter": None,
    "contract": "One year",
    "senior": 1,
    "class": True,
    "since": "2020-02-29",
}


def weights(encoding: Encoding) -> NDArray[np.float32]:
    """One weight a column, of either sign, so that each column moves the answer."""
    return np.linspace(-0.9, 1.1, encoding.width, dtype=np.float32)


def logistic_graph(encoding: Encoding) -> bytes:
    """sigmoid(input @ weights + 0.1), in the shapes that `components.package.model_package` asks for."""
    column = weights(encoding)[:, None]
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", [INPUT_NAME, "weights"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["column"]),
            helper.make_node("Squeeze", ["column", "axis"], [OUTPUT]),
        ],
        "logistic",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["N", encoding.width])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N"])],
        [
            numpy_helper.from_array(column, "weights"),
            numpy_helper.from_array(np.array([0.1], np.float32), "bias"),
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def probabilities(encoding: Encoding, rows: list[dict[str, RequestValue]]) -> NDArray[np.float64]:
    """What the graph should say, by numpy."""
    logits = encode_rows(encoding, rows).astype(np.float64) @ weights(encoding).astype(np.float64) + np.float32(0.1)
    return np.asarray(1 / (1 + np.exp(-logits)))


def small_contract(
    features: dict[str, Feature] | None = None,
    *,
    limits: Limits = Limits(max_body_bytes=65536, max_batch_rows=100),  # noqa: B008 -- frozen
    latency_p99_ms: float = 50,
) -> Contract:
    features = features or FEATURES
    return Contract(
        name="small",
        features=features,
        encoding=fit_encoding(features, TABLE),
        target=Target(name="left", positive="Yes", negative="No"),
        limits=limits,
        objectives=Objectives(latency_p99_ms=latency_p99_ms),
    )


def word_answer(row: Golden) -> Answer:
    """A golden request's answer, which is one of two words."""
    assert isinstance(row.answer, Answer)
    return row.answer


def golden_rows(contract: Contract) -> list[Golden]:
    rows = [
        {**GOOD, "tenure": tenure, "contract": kind} for tenure in (0, 40, 120) for kind in ("One year", "Two year")
    ]
    rows.append({name: value for name, value in GOOD.items() if name != "class"})
    answers = probabilities(contract.encoding, rows)
    return [Golden(request=row, answer=answer) for row, answer in zip(rows, contract.answers(answers), strict=True)]


def write_small_package(
    folder: Path,
    contract: Contract | None = None,
    *,
    golden: list[Golden] | None = None,
    holdout: Holdout | None = None,
) -> Package:
    contract = contract or small_contract()
    golden = golden or golden_rows(contract)
    bins = np.bincount(score_bin([word_answer(row).probability for row in golden]), minlength=20)
    return write_package(
        folder,
        model=logistic_graph(contract.encoding),
        contract=contract,
        golden=golden,
        holdout=holdout or Holdout(rows=len(golden), scores=tuple(bins.tolist())),
        receipt=Receipt(
            name=contract.name,
            data="sha256:" + "0" * 64,
            code="0" * 40,
            lock="sha256:" + "1" * 64,
            candidate="logistic_regression",
            run="by-hand",
        ),
    )
