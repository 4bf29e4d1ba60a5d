"""ONNX graphs that give the classifier's answers to the last float32 digit.

The graph's input is float32 and its arithmetic is float64. With thresholds rounded
to float32 a forest would send rows down the wrong side, and a float32 sum over many
columns would exceed the promised tolerance of 1e-6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from components.package.model_package import INPUT_NAME, OUTPUT_NAME

#: Operator sets of the graphs; ai.onnx.ml 3 is the first with float64 thresholds in trees.
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


@dataclass(frozen=True)
class Tree:
    """A binary tree as arrays over nodes.

    `left` and `right` are node indices, -1 in a leaf. A row goes left if its cell is at most the threshold;
    a leaf adds its `value` to the answer.
    """

    column: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]


def tree_graph(trees: Sequence[Tree], base: float, width: int, *, log_odds: bool) -> bytes:
    """The graph of trees whose values and base add up to the probability, or to its log-odds."""
    ensemble = helper.make_node("TreeEnsembleRegressor", ["wide"], ["sum"], domain="ai.onnx.ml", **_nodes(trees, base))
    nodes = [helper.make_node("Cast", [INPUT_NAME], ["wide"], to=TensorProto.DOUBLE), ensemble]
    if log_odds:
        nodes += [
            helper.make_node("Cast", ["sum"], ["log_odds"], to=TensorProto.DOUBLE),
            helper.make_node("Sigmoid", ["log_odds"], ["wide_positive"]),
            helper.make_node("Cast", ["wide_positive"], ["positive"], to=TensorProto.FLOAT),
        ]
    nodes.append(helper.make_node("Reshape", ["positive" if log_odds else "sum", "flat"], [OUTPUT_NAME]))
    return _graph(nodes, {"flat": np.array([-1])}, width)


def _nodes(trees: Sequence[Tree], base: float) -> dict[str, Any]:
    """Attributes of a TreeEnsembleRegressor, with float64 thresholds and values."""
    sizes = [len(tree.left) for tree in trees]
    leaves = [np.flatnonzero(tree.left < 0) for tree in trees]
    inner = np.concatenate([tree.left >= 0 for tree in trees])
    thresholds = np.concatenate([tree.threshold for tree in trees])
    values = np.concatenate([tree.value[ends] for tree, ends in zip(trees, leaves, strict=True)])
    return {
        "n_targets": 1,
        "base_values_as_tensor": numpy_helper.from_array(np.array([base])),
        "nodes_treeids": np.repeat(np.arange(len(trees)), sizes).tolist(),
        "nodes_nodeids": np.concatenate([np.arange(size) for size in sizes]).tolist(),
        "nodes_featureids": _or_zero(inner, [tree.column for tree in trees]),
        "nodes_values_as_tensor": numpy_helper.from_array(np.where(inner, thresholds, 0.0)),
        "nodes_modes": np.where(inner, "BRANCH_LEQ", "LEAF").tolist(),
        "nodes_truenodeids": _or_zero(inner, [tree.left for tree in trees]),
        "nodes_falsenodeids": _or_zero(inner, [tree.right for tree in trees]),
        "target_treeids": np.repeat(np.arange(len(trees)), [len(ends) for ends in leaves]).tolist(),
        "target_nodeids": np.concatenate(leaves).tolist(),
        "target_ids": [0] * len(values),
        "target_weights_as_tensor": numpy_helper.from_array(values),
    }


def _or_zero(inner: NDArray[np.bool_], parts: list[NDArray[np.int64]]) -> list[int]:
    found: list[int] = np.where(inner, np.concatenate(parts), 0).tolist()
    return found


def _graph(nodes: list[onnx.NodeProto], constants: dict[str, NDArray[Any]], width: int) -> bytes:
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
    """The bytes of a model after onnx's check, without anything that differs between exports."""
    model.ir_version = 8
    model.producer_name = "canario"
    model.producer_version = ""
    model.doc_string = ""
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized
