"""ONNX graphs that answer what the classifier answers, to the last float32 digit.

The graph's input is float32 and its arithmetic is float64: a forest that
compares a float32 with a threshold rounded to float32 sends rows down the wrong
side, and a float32 sum over many columns loses more than the 1e-6 that is promised.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from components.package import INPUT_NAME, OUTPUT_NAME

#: Operator sets of the graphs; ai.onnx.ml 3 is the first whose trees have float64 thresholds.
OPSETS = {"": 17, "ai.onnx.ml": 3}


def linear_graph(coefficients: NDArray[np.float64], intercept: float) -> bytes:
    """The graph of a logistic regression: coefficients float64 [width]."""
    return _graph(
        [
            helper.make_node("Cast", [INPUT_NAME], ["wide"], to=TensorProto.DOUBLE),
            helper.make_node("MatMul", ["wide", "coefficients"], ["product"]),
            helper.make_node("Add", ["product", "intercept"], ["log_odds"]),
            helper.make_node("Sigmoid", ["log_odds"], ["positive"]),
            helper.make_node("Cast", ["positive"], [OUTPUT_NAME], to=TensorProto.FLOAT),
        ],
        {"coefficients": coefficients, "intercept": np.array(intercept)},
        len(coefficients),
    )


def tree_graph(classifier: Any, width: int) -> bytes:
    """The graph of a fitted forest or boosted trees of scikit-learn."""
    trees = _tree_node(classifier, width)
    trees.input[:] = ["wide"]
    trees.output[:] = ["label", "both"]
    return _graph(
        [
            helper.make_node("Cast", [INPUT_NAME], ["wide"], to=TensorProto.DOUBLE),
            trees,
            helper.make_node("Gather", ["both", "second"], [OUTPUT_NAME], axis=1),
        ],
        {"second": np.array(1)},
        width,
    )


def _tree_node(classifier: Any, width: int) -> NodeProto:
    """The one node into which skl2onnx makes a tree ensemble, with float64 thresholds."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType

    converted = convert_sklearn(
        classifier,
        initial_types=[("wide", DoubleTensorType([None, width]))],
        options={id(classifier): {"zipmap": False}},
        target_opset=OPSETS,
    )
    node: NodeProto
    (node,) = (node for node in converted.graph.node if node.op_type == "TreeEnsembleClassifier")
    return node


def _graph(nodes: list[NodeProto], constants: dict[str, NDArray[Any]], width: int) -> bytes:
    for place, node in enumerate(nodes):
        node.name = f"{place}-{node.op_type}"
    graph = helper.make_graph(
        nodes,
        "canario",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["N", width])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["N"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return finished(helper.make_model(graph, opset_imports=[helper.make_opsetid(d, v) for d, v in OPSETS.items()]))


def finished(model: onnx.ModelProto) -> bytes:
    """The bytes of a checked model, with nothing in them that differs from one export to the next."""
    model.ir_version = 8
    model.producer_name = "canario"
    model.producer_version = ""
    model.doc_string = ""
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized
