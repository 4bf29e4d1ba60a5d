from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from components.package.bins import ProbabilityBins
from components.package.model_package import Package, write_package
from services.model_server.errors import ModelError
from services.model_server.model import Model
from tests.services.model_server.conftest import StartServer
from tests.small_package import GOOD, logistic_graph, small_contract, write_small_package

ROW = tuple(GOOD.values())


def package_times(factor: float, folder: Path) -> Package:
    """The small package, whose graph multiplies its answer by a factor."""
    right = write_small_package(folder / "right")
    model = onnx.load_model_from_string(logistic_graph(small_contract().encoding))
    model.graph.node[3].output[0] = "before"
    model.graph.initializer.append(numpy_helper.from_array(np.array([factor], np.float32), "factor"))
    model.graph.node.append(helper.make_node("Mul", ["before", "factor"], ["probability"]))
    return write_package(
        folder / "wrong",
        model=model.SerializeToString(),
        contract=right.contract,
        golden=right.golden,
        holdout=right.holdout,
        receipt=right.receipt,
    )


@pytest.mark.parametrize("factor", [3.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_probability_is_never_answered(factor: float, tmp_path: Path, serve: StartServer) -> None:
    package = package_times(factor, tmp_path)
    model = Model(package, "1")
    with pytest.raises(ModelError, match="no probability"):
        model.scores(model.encode([ROW]))
    server = serve(package.path)
    assert server.get("/readyz").status == 503
    assert server.predict(GOOD).status == 500


def test_golden_requests_are_tried_alone_and_together(tmp_path: Path) -> None:
    faults = Model(package_times(0.5, tmp_path), "1").golden_mismatches()
    assert [fault.line for fault in faults] == [1, 2, 3, 4, 5, 6, 7] * 2
    assert all(fault.answered == pytest.approx(fault.expected / 2, abs=1e-6) for fault in faults)


def test_a_right_package_has_no_golden_fault(package: Package) -> None:
    assert Model(package, "1").golden_mismatches() == []


def test_an_answer_has_seven_digits(package: Package) -> None:
    model = Model(package, "2")
    assert model.answer([0.123456789], single=True) == '{"probability":0.1234568,"label":"No","version":"2"}'
    assert model.answer([1e-9, 1.0], single=False) == (
        '[{"probability":1e-09,"label":"No","version":"2"},{"probability":1,"label":"Yes","version":"2"}]'
    )


@pytest.mark.parametrize("rows", [1, 15, 16, 100])
def test_bins_are_the_same_in_a_batch(rows: int) -> None:
    bins, scores = ProbabilityBins(), np.linspace(0, 1.0000001, rows).tolist()
    assert bins.listed(scores) == [bins.listed([score])[0] for score in scores]
