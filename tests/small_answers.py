"""Small packages whose answers are numbers and classes, written by hand over the features of `small_package`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.features.encoding import RequestValue, encode_rows, fit_encoding
from components.models.graphs import Layer, class_linear_graph, number_graph
from components.package.answers import (
    AbsoluteError,
    ClassBins,
    ClassBrier,
    ClassTarget,
    Coverage,
    NumberTarget,
    PredictionInterval,
    ValueBins,
)
from components.package.bins import counts
from components.package.model_package import Contract, Golden, Holdout, Package, Receipt, write_package
from components.spec.contract import SCORE_EDGES, Limits
from tests.small_package import FEATURES, GOOD, TABLE, weights

CLASSES = ("low", 'mid "50 %"', "high")
LIMITS = Limits(max_body_bytes=65536, max_batch_rows=100)
ROWS: list[dict[str, RequestValue]] = [
    {**GOOD, "tenure": tenure, "contract": kind} for tenure in (0, 40, 120) for kind in ("One year", "Two year")
]


def number_contract() -> Contract:
    """Prices in USD: 1,000 times what the logistic regression of `small_package` adds up, and 5,000."""
    return Contract(
        schema_version=2, task="regression", name="small", features=FEATURES, encoding=fit_encoding(FEATURES, TABLE),
        target=NumberTarget(name="price", unit="USD", spread=2000.0), limits=LIMITS,
        bins=ValueBins(edges=tuple(float(edge) for edge in range(1000, 10500, 500))),
        loss=AbsoluteError(scale=4000.0),
        interval=PredictionInterval(
            level=0.9, edges=(5000.0,), half_widths=(250.0, 1000.0),
            coverage=Coverage(value=0.91, low=0.85, high=0.95, rows=200),
        ),
    )  # fmt: skip


def class_contract() -> Contract:
    """One of three classes."""
    return Contract(
        schema_version=2, task="multiclass", name="small", features=FEATURES, encoding=fit_encoding(FEATURES, TABLE),
        target=ClassTarget(name="size", classes=CLASSES), limits=LIMITS, bins=ClassBins(edges=SCORE_EDGES[:-1]),
        loss=ClassBrier(),
    )  # fmt: skip


def _sums(contract: Contract, rows: list[dict[str, RequestValue]]) -> NDArray[np.float64]:
    return encode_rows(contract.encoding, rows).astype(np.float64) @ weights(contract.encoding).astype(np.float64)


def values(contract: Contract, rows: list[dict[str, RequestValue]]) -> NDArray[np.float64]:
    """What the graph of numbers should say, by numpy."""
    return 1000.0 * _sums(contract, rows) + 5000.0


def class_probabilities(contract: Contract, rows: list[dict[str, RequestValue]]) -> NDArray[np.float64]:
    """What the graph of classes should say, by numpy."""
    log_odds = _sums(contract, rows)[:, None] * np.array([-1.0, 0.25, 1.0])
    odds = np.exp(log_odds)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def write_number_package(folder: Path) -> Package:
    """A package that answers prices."""
    contract = number_contract()
    layer = Layer(weights(contract.encoding).astype(np.float64)[:, None], np.zeros(1))
    graph = number_graph([layer], contract.encoding.width, scale=1000.0, shift=5000.0)
    return _write(folder, contract, graph, values(contract, ROWS))


def write_class_package(folder: Path) -> Package:
    """A package that answers sizes."""
    contract = class_contract()
    column = weights(contract.encoding).astype(np.float64)[:, None]
    graph = class_linear_graph(column * np.array([-1.0, 0.25, 1.0]), np.zeros(3))
    return _write(folder, contract, graph, class_probabilities(contract, ROWS))


def _write(folder: Path, contract: Contract, graph: bytes, outputs: NDArray[np.float64]) -> Package:
    answers = contract.answers(outputs)
    scores = tuple(map(float, counts(contract.counted, outputs)))
    nothing = (0.0,) * len(scores)
    return write_package(
        folder,
        model=graph,
        contract=contract,
        golden=[Golden(request=row, answer=answer) for row, answer in zip(ROWS, answers, strict=True)],
        holdout=Holdout(rows=len(ROWS), shift=nothing, shift_error=nothing, scores=scores),
        receipt=Receipt(
            name=contract.name,
            data="sha256:" + "0" * 64,
            code="0" * 40,
            lock="sha256:" + "1" * 64,
            candidate="by hand",
            run="by-hand",
            tolerance=contract.tolerance,
        ),
    )
