"""ONNX graphs that give the fitted model's answers to the last float32 digit, and a number's in float64.

The graph's input is float32 and its arithmetic is float64. With thresholds rounded
to float32 a forest would send rows down the wrong side, and a float32 sum over many
columns would exceed the promised tolerance of 1e-6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from components.package.answers import OUTPUTS
from components.package.model_package import INPUT_NAME
from components.spec.tasks import Task

#: Operator sets of the graphs; ai.onnx.ml 3 is the first with float64 thresholds in trees.
OPSETS = {"": 17, "ai.onnx.ml": 3}
#: The first whose trees also give their sum in float64, which a number needs.
_NUMBER_OPSETS = {"": 21, "ai.onnx.ml": 5}
#: `nodes_modes` of TreeEnsemble: a row goes the true way if its cell is at most the split.
_BRANCH_LEQ: Final = 0
_SUM: Final = 1

Constants = Mapping[str, NDArray[Any]]


def linear_graph(coefficients: NDArray[np.float64], intercept: float) -> bytes:
    """The graph of a logistic regression: coefficients float64 [width]."""
    output = OUTPUTS["binary"].name
    return _graph(
        "binary",
        [
            _wide(),
            helper.make_node("MatMul", ["wide", "coefficients"], ["product"]),
            helper.make_node("Add", ["product", "intercept"], ["log_odds"]),
            helper.make_node("Sigmoid", ["log_odds"], ["positive"]),
            helper.make_node("Cast", ["positive"], [output], to=TensorProto.FLOAT),
        ],
        {"coefficients": coefficients, "intercept": np.array(intercept)},
        len(coefficients),
    )


def class_linear_graph(coefficients: NDArray[np.float64], intercepts: NDArray[np.float64]) -> bytes:
    """The graph of a multinomial logistic regression: coefficients float64 [width, classes]."""
    return _graph(
        "multiclass",
        [
            _wide(),
            helper.make_node("MatMul", ["wide", "coefficients"], ["product"]),
            helper.make_node("Add", ["product", "intercepts"], ["log_odds"]),
            *_softmax("log_odds"),
        ],
        {"coefficients": coefficients, "intercepts": intercepts},
        len(coefficients),
        len(intercepts),
    )


@dataclass(frozen=True)
class Layer:
    """A dense layer: weights float64 [inputs, units] and biases float64 [units]."""

    weights: NDArray[np.float64]
    biases: NDArray[np.float64]


def number_graph(layers: Sequence[Layer], width: int, scale: float = 1.0, shift: float = 0.0) -> bytes:
    """The graph of a network with rectified layers, the last one linear, times scale plus shift; all in float64.

    A linear regression is one with a single layer.
    """
    constants: dict[str, NDArray[Any]] = {}
    nodes, last = [_wide()], "wide"
    for place, layer in enumerate(layers):
        constants |= {f"weights-{place}": layer.weights, f"biases-{place}": layer.biases}
        nodes += [
            helper.make_node("MatMul", [last, f"weights-{place}"], [f"product-{place}"]),
            helper.make_node("Add", [f"product-{place}", f"biases-{place}"], [f"sum-{place}"]),
        ]
        last = f"sum-{place}"
        if place < len(layers) - 1:
            nodes.append(helper.make_node("Relu", [last], [f"layer-{place}"]))
            last = f"layer-{place}"
    nodes += [
        helper.make_node("Mul", [last, "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["shifted"]),
        helper.make_node("Reshape", ["shifted", "flat"], [OUTPUTS["regression"].name]),
    ]
    constants |= {"scale": np.array(scale), "shift": np.array(shift), "flat": np.array([-1])}
    return _graph("regression", nodes, constants, width)


@dataclass(frozen=True)
class Tree:
    """A binary tree as arrays over nodes.

    `left` and `right` are node indices, -1 in a leaf. A row goes left if its cell is at most the threshold;
    a leaf adds its `value` to the answer, or to that of `target`, a class. Where a leaf adds to each class, `value`
    is [nodes, classes].
    """

    column: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    target: int = 0


def tree_graph(trees: Sequence[Tree], base: float, width: int, *, log_odds: bool) -> bytes:
    """The graph of trees whose values and base add up to the probability, or to its log-odds."""
    output = OUTPUTS["binary"].name
    nodes = [_wide(), _ensemble(trees, np.array([base]))]
    if log_odds:
        nodes += [
            helper.make_node("Cast", ["sum"], ["log_odds"], to=TensorProto.DOUBLE),
            helper.make_node("Sigmoid", ["log_odds"], ["wide_positive"]),
            helper.make_node("Cast", ["wide_positive"], ["positive"], to=TensorProto.FLOAT),
        ]
    nodes.append(helper.make_node("Reshape", ["positive" if log_odds else "sum", "flat"], [output]))
    return _graph("binary", nodes, {"flat": np.array([-1])}, width)


def class_tree_graph(trees: Sequence[Tree], bases: NDArray[np.float64], width: int, *, log_odds: bool) -> bytes:
    """The graph of trees whose values and bases add up to the classes' probabilities, or to their log-odds."""
    nodes = [_wide(), _ensemble(trees, bases)]
    if log_odds:
        nodes += [helper.make_node("Cast", ["sum"], ["log_odds"], to=TensorProto.DOUBLE), *_softmax("log_odds")]
    else:
        nodes.append(helper.make_node("Identity", ["sum"], [OUTPUTS["multiclass"].name]))
    return _graph("multiclass", nodes, {}, width, len(bases))


def number_tree_graph(trees: Sequence[Tree], base: float, width: int) -> bytes:
    """The graph of trees whose values and base add up to a number, in float64."""
    nodes = [
        _wide(),
        helper.make_node("TreeEnsemble", ["wide"], ["sum"], domain="ai.onnx.ml", **_number_nodes(trees)),
        helper.make_node("Add", ["sum", "base"], ["shifted"]),
        helper.make_node("Reshape", ["shifted", "flat"], [OUTPUTS["regression"].name]),
    ]
    return _graph("regression", nodes, {"base": np.array(base), "flat": np.array([-1])}, width)


def _wide() -> NodeProto:
    return helper.make_node("Cast", [INPUT_NAME], ["wide"], to=TensorProto.DOUBLE)


def _softmax(log_odds: str) -> list[NodeProto]:
    return [
        helper.make_node("Softmax", [log_odds], ["wide_probabilities"], axis=-1),
        helper.make_node("Cast", ["wide_probabilities"], [OUTPUTS["multiclass"].name], to=TensorProto.FLOAT),
    ]


def _ensemble(trees: Sequence[Tree], bases: NDArray[np.float64]) -> NodeProto:
    attributes = _nodes(trees, bases)
    return helper.make_node("TreeEnsembleRegressor", ["wide"], ["sum"], domain="ai.onnx.ml", **attributes)


def _nodes(trees: Sequence[Tree], bases: NDArray[np.float64]) -> dict[str, Any]:
    """Attributes of a TreeEnsembleRegressor, with float64 thresholds and values."""
    sizes = [len(tree.left) for tree in trees]
    leaves = [np.flatnonzero(tree.left < 0) for tree in trees]
    inner = np.concatenate([tree.left >= 0 for tree in trees])
    thresholds = np.concatenate([tree.threshold for tree in trees])
    weights = [tree.value[ends].reshape(len(ends), -1) for tree, ends in zip(trees, leaves, strict=True)]
    each = weights[0].shape[1]
    targets = [
        np.tile(np.arange(each) if each > 1 else [tree.target], len(ends))
        for tree, ends in zip(trees, leaves, strict=True)
    ]
    return {
        "n_targets": len(bases),
        "base_values_as_tensor": numpy_helper.from_array(bases),
        "nodes_treeids": np.repeat(np.arange(len(trees)), sizes).tolist(),
        "nodes_nodeids": np.concatenate([np.arange(size) for size in sizes]).tolist(),
        "nodes_featureids": _or_zero(inner, [tree.column for tree in trees]),
        "nodes_values_as_tensor": numpy_helper.from_array(np.where(inner, thresholds, 0.0)),
        "nodes_modes": np.where(inner, "BRANCH_LEQ", "LEAF").tolist(),
        "nodes_truenodeids": _or_zero(inner, [tree.left for tree in trees]),
        "nodes_falsenodeids": _or_zero(inner, [tree.right for tree in trees]),
        "target_treeids": np.repeat(np.arange(len(trees)), [len(ends) * each for ends in leaves]).tolist(),
        "target_nodeids": np.repeat(np.concatenate(leaves), each).tolist(),
        "target_ids": np.concatenate(targets).tolist(),
        "target_weights_as_tensor": numpy_helper.from_array(np.concatenate([part.ravel() for part in weights])),
    }


def _number_nodes(trees: Sequence[Tree]) -> dict[str, Any]:
    """Attributes of a TreeEnsemble, which keeps inner nodes and leaves apart.

    A tree without a split becomes one whose two ways lead to the same leaf's value.
    """
    inner, leaves = _Growing(), _Growing()
    roots = []
    for tree in map(_with_a_split, trees):
        split = tree.left >= 0
        places = np.where(split, np.cumsum(split) - 1 + inner.count, np.cumsum(~split) - 1 + leaves.count)
        roots.append(int(places[0]))
        left, right = tree.left[split], tree.right[split]
        inner.add(
            nodes_featureids=tree.column[split], nodes_splits=tree.threshold[split],
            nodes_truenodeids=places[left], nodes_falsenodeids=places[right],
            nodes_trueleafs=(~split[left]).astype(np.int64), nodes_falseleafs=(~split[right]).astype(np.int64),
        )  # fmt: skip
        leaves.add(leaf_weights=tree.value[~split])
    modes = np.full(inner.count, _BRANCH_LEQ, dtype=np.uint8)
    targets = np.zeros(leaves.count, dtype=np.int64).tolist()
    return {
        "n_targets": 1, "aggregate_function": _SUM, "tree_roots": roots,
        "nodes_modes": numpy_helper.from_array(modes), "leaf_targetids": targets,
        **{
            name: numpy_helper.from_array(values) if values.dtype == np.float64 else values.tolist()
            for name, values in (inner.whole() | leaves.whole()).items()
        },
    }  # fmt: skip


class _Growing:
    """Arrays of equal length that grow tree by tree."""

    def __init__(self) -> None:
        self.count = 0
        self._parts: dict[str, list[NDArray[Any]]] = {}

    def add(self, **arrays: NDArray[Any]) -> None:
        for name, array in arrays.items():
            self._parts.setdefault(name, []).append(array)
        self.count += len(next(iter(arrays.values())))

    def whole(self) -> dict[str, NDArray[Any]]:
        return {name: np.concatenate(parts) for name, parts in self._parts.items()}


def _with_a_split(tree: Tree) -> Tree:
    if tree.left[0] >= 0:
        return tree
    only = float(tree.value[0])
    return Tree(
        column=np.zeros(3, dtype=np.int64), threshold=np.zeros(3), left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]), value=np.array([0.0, only, only]),
    )  # fmt: skip


def _or_zero(inner: NDArray[np.bool_], parts: list[NDArray[np.int64]]) -> list[int]:
    found: list[int] = np.where(inner, np.concatenate(parts), 0).tolist()
    return found


def _graph(task: Task, nodes: list[NodeProto], constants: Constants, width: int, classes: int = 0) -> bytes:
    for place, node in enumerate(nodes):
        node.name = f"{place}-{node.op_type}"
    number = task == "regression"
    shape: list[str | int | None] = ["N", classes] if task == "multiclass" else ["N"]
    kind = TensorProto.DOUBLE if number else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "canario",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["N", width])],
        [helper.make_tensor_value_info(OUTPUTS[task].name, kind, shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid(domain, v) for domain, v in (_NUMBER_OPSETS if number else OPSETS).items()]
    return finished(helper.make_model(graph, opset_imports=opsets), 10 if number else 8)


def finished(model: onnx.ModelProto, ir_version: int = 8) -> bytes:
    """The bytes of a model after onnx's check, without anything that differs between exports."""
    model.ir_version = ir_version
    model.producer_name = "canario"
    model.producer_version = ""
    model.doc_string = ""
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized
