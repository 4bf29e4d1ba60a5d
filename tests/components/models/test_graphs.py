from __future__ import annotations

import numpy as np
import onnx
import pytest

from components.models.graphs import linear_graph
from components.models.trained import graph_runner


def test_a_linear_graph_by_hand() -> None:
    run = graph_runner(linear_graph(np.array([2.0, -1.0]), 0.5))
    # 2*1 - 1*3 + 0.5 = -0.5; 1 / (1 + e^0.5) = 0.377541
    answered = run(np.array([[1.0, 3.0], [0.0, 0.0]], dtype=np.float32))
    assert answered.dtype == np.float32
    assert answered.tolist() == pytest.approx([0.3775407, 0.6224593], abs=1e-7)


def test_large_terms_that_cancel_do_not_lose_the_answer() -> None:
    run = graph_runner(linear_graph(np.array([1e8, -1e8, 1.0]), 0.0))
    assert run(np.array([[1.0, 1.0, 0.5]], dtype=np.float32))[0] == pytest.approx(0.6224593, abs=1e-7)


def test_a_graph_has_the_packages_names_and_shapes() -> None:
    """A graph has the package's names and shapes, and no trace of its producer."""
    model = onnx.load_from_string(linear_graph(np.zeros(4), 0.0))
    (given,), (answered,) = model.graph.input, model.graph.output
    assert (given.name, answered.name) == ("input", "probability")
    assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == ["N", 4]
    assert [d.dim_param or d.dim_value for d in answered.type.tensor_type.shape.dim] == ["N"]
    assert (model.producer_name, model.doc_string) == ("canario", "")
