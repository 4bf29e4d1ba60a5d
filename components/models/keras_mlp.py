"""The Keras candidate: a small network of dense layers, and its ONNX graph."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.models.tensorflow_environment import tensorflow_environment

os.environ.update(tensorflow_environment())

import numpy as np
import onnx
import tensorflow as tf
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from components.models.checkpoints import Checkpoint, Checkpoints
from components.models.graphs import Layer, finished, number_graph
from components.models.spaces import Matrix, Parameters
from components.models.strategy import open_strategy
from components.package.answers import OUTPUTS
from components.package.model_package import INPUT_NAME
from components.spec.contract import Strategy
from components.spec.tasks import Task

keras = tf.keras

EPOCHS = 12
#: Rows per step: small tables get enough steps, large ones not too many.
SMALLEST_BATCH, LARGEST_BATCH = 32, 4096


@dataclass(frozen=True)
class KerasModel:
    """A fitted network of task binary or multiclass."""

    network: Any
    task: Task

    def predict(self, encoded: Matrix) -> NDArray[np.float64]:
        """Encoded rows [n, width] -> probability of the positive class [n], or of each class [n, classes], float64."""
        found = np.asarray(self.network.predict(encoded, batch_size=LARGEST_BATCH, verbose=0), dtype=np.float64)
        return found[:, 0] if self.task == "binary" else found

    def onnx(self, width: int) -> bytes:
        """The ONNX graph that Keras exports, with the package's names and shapes."""
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder, "network.onnx")
            self.network.export(str(path), format="onnx", verbose=False)
            return _renamed(onnx.load(path), width, self.task)


@dataclass(frozen=True)
class KerasNumberModel:
    """A fitted network of task regression, which learned the target's distance from its mean in deviations.

    It answers in float64: a number needs more digits than the float32 that it was trained in.
    """

    layers: tuple[Layer, ...]
    mean: float
    deviation: float

    def predict(self, encoded: Matrix) -> NDArray[np.float64]:
        """Encoded rows [n, width] -> values in the target's unit, float64 [n]."""
        values = encoded.astype(np.float64)
        for layer in self.layers[:-1]:
            values = np.maximum(values @ layer.weights + layer.biases, 0.0)
        last = self.layers[-1]
        found: NDArray[np.float64] = (values @ last.weights + last.biases)[:, 0] * self.deviation + self.mean
        return found

    def onnx(self, width: int) -> bytes:
        """The ONNX graph, with float64 arithmetic."""
        return number_graph(self.layers, width, self.deviation, self.mean)


def fit_mlp(
    task: Task,
    parameters: Parameters,
    encoded: Matrix,
    labels: NDArray[Any],
    seed: int,
    strategy: Strategy,
    checkpoints: Checkpoints | None = None,
) -> KerasModel | KerasNumberModel:
    """Fits a network to encoded rows; the same arguments give the same network on the same device.

    With checkpoints it goes on from the last one, to the same network as without a break.

    Raises:
        LostWorkersError: the workers read different checkpoints.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    distribution = open_strategy(strategy)
    head = _Head.of(task, labels)
    with distribution.scope():
        network = _network(parameters, encoded.shape[1], head)
        optimizer = keras.optimizers.Adam(parameters["learning_rate"])
        optimizer.build(network.trainable_variables)
    rows = _Rows(encoded, head.learned(labels), seed, head.loss)
    _train(network, optimizer, distribution, rows, checkpoints)
    if task == "regression":
        weights = [np.asarray(part, dtype=np.float64) for part in network.get_weights()]
        layers = tuple(Layer(*pair) for pair in zip(weights[::2], weights[1::2], strict=True))
        return KerasNumberModel(layers, head.mean, head.deviation)
    # A network under a strategy answers in pieces, one per replica; a plain network with its weights answers at once.
    plain = _network(parameters, encoded.shape[1], head)
    plain.set_weights(network.get_weights())
    # Keras exports only a network that has been called.
    plain(encoded[:1])
    return KerasModel(plain, task)


@dataclass(frozen=True)
class _Head:
    """The last layer of a network by task: its units and activation, its loss, and the scale of what it learns."""

    units: int
    activation: str
    loss: Callable[[Any, Any], Any]
    mean: float = 0.0
    deviation: float = 1.0

    @staticmethod
    def of(task: Task, labels: NDArray[Any]) -> _Head:
        if task == "binary":
            return _Head(1, "sigmoid", lambda answers, found: keras.losses.binary_crossentropy(answers[:, None], found))
        if task == "multiclass":
            return _Head(int(labels.max()) + 1, "softmax", keras.losses.sparse_categorical_crossentropy)
        # Huber's loss, so that a few far answers do not decide everything.
        return _Head(
            1, "linear", lambda answers, found: keras.losses.huber(answers[:, None], found),
            float(labels.mean()), float(labels.std()),
        )  # fmt: skip

    def learned(self, labels: NDArray[Any]) -> NDArray[np.float32]:
        return ((labels - self.mean) / self.deviation).astype(np.float32)


@dataclass(frozen=True)
class _Rows:
    """What a network learns from, and the seed of its order."""

    encoded: Matrix
    labels: NDArray[np.float32]
    seed: int
    loss: Callable[[Any, Any], Any]

    @property
    def batch(self) -> int:
        """Rows per step."""
        rows = len(self.encoded)
        return min(rows, int(np.clip(rows // 16, SMALLEST_BATCH, LARGEST_BATCH)))

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return EPOCHS * len(self.encoded) // self.batch

    def batches(self, done: int) -> Any:
        """The batches after the first `done`."""
        rows = tf.data.Dataset.from_tensor_slices((self.encoded, self.labels)).shuffle(len(self.encoded), self.seed)
        return rows.repeat(EPOCHS).batch(self.batch, drop_remainder=True).skip(done)


def _train(network: Any, optimizer: Any, distribution: Any, rows: _Rows, checkpoints: Checkpoints | None) -> None:
    """Minimises the log loss; each replica works on its share of every batch.

    Keras 3's own `fit` fails with more than one worker (to build the network it reduces the first batch
    over workers), and takes three times as long for so small a network.
    """
    state = [*network.variables, *optimizer.variables]
    epoch = _restored(state, distribution, checkpoints) if checkpoints else 0
    ends = [number * rows.steps // EPOCHS for number in range(EPOCHS + 1)]
    shares = iter(distribution.experimental_distribute_dataset(rows.batches(ends[epoch])))
    step = _step(network, optimizer, rows)

    @tf.function  # type: ignore[untyped-decorator]
    def run(count: Any) -> None:
        for _ in tf.range(count):
            distribution.run(step, args=next(shares))

    if not checkpoints:
        run(tf.constant(rows.steps))
        return
    for number in range(epoch, EPOCHS):
        run(tf.constant(ends[number + 1] - ends[number]))
        checkpoints.save(Checkpoint(number + 1, [variable.numpy() for variable in state]))


def _restored(state: list[Any], distribution: Any, checkpoints: Checkpoints) -> int:
    """Sets the variables to the last checkpoint, the same on every worker; returns the epochs that it has.

    Raises:
        LostWorkersError: the workers read different checkpoints.
    """
    last = checkpoints.last()
    ours = last.epochs if last else 0
    each = distribution.run(lambda: tf.constant(float(ours)))
    checkpoints.agree(float(distribution.reduce(tf.distribute.ReduceOp.MEAN, each, axis=None)))
    for variable, value in zip(state, last.values if last else [], strict=bool(last)):
        variable.assign(value)
    return ours


def _step(network: Any, optimizer: Any, rows: _Rows) -> Callable[[Any, Any], None]:
    """Makes the step function of a replica, for its share of a batch of rows."""

    def step(inputs: Any, answers: Any) -> None:
        with tf.GradientTape() as tape:
            losses = rows.loss(answers, network(inputs, training=True))
            loss = tf.nn.compute_average_loss(losses, global_batch_size=rows.batch)
        variables = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    return step


def _network(parameters: Parameters, width: int, head: _Head) -> Any:
    layers = [keras.Input((width,))]
    for units in parameters["units"]:
        layers += [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(parameters["dropout"])]
    return keras.Sequential([*layers, keras.layers.Dense(head.units, activation=head.activation)])


def _renamed(model: onnx.ModelProto, width: int, task: Task) -> bytes:
    """The exported graph, changed to return [N] for [N, width] in task binary; Keras returns [N, 1]."""
    graph = model.graph
    given, answered, output = graph.input[0].name, graph.output[0].name, OUTPUTS[task].name
    shape = ["N"] if task == "binary" else ["N", graph.output[0].type.tensor_type.shape.dim[1].dim_value]
    graph.node.insert(0, helper.make_node("Identity", [INPUT_NAME], [given]))
    if task == "binary":
        graph.initializer.append(numpy_helper.from_array(np.array([1]), "canario_axis"))
        graph.node.append(helper.make_node("Squeeze", [answered, "canario_axis"], [output]))
    else:
        graph.node.append(helper.make_node("Identity", [answered], [output]))
    graph.input[0].CopyFrom(helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["N", width]))
    graph.output[0].CopyFrom(helper.make_tensor_value_info(output, TensorProto.FLOAT, shape))
    _rename_everything(graph, output)
    return finished(model)


def _rename_everything(graph: Any, output: str) -> None:
    """Names tensors by place of use, so that equal models have equal bytes; Keras numbers them over a whole process."""
    graph.name, graph.doc_string = "canario", ""
    names = {INPUT_NAME: INPUT_NAME, output: output, "": ""}
    for place, node in enumerate(graph.node):
        node.name = f"{place}-{node.op_type}"
        node.input[:] = [names.setdefault(name, f"constant-{place}-{i}") for i, name in enumerate(node.input)]
        node.output[:] = [names.setdefault(name, f"tensor-{place}-{i}") for i, name in enumerate(node.output)]
    used = [tensor for tensor in graph.initializer if tensor.name in names]
    for tensor in used:
        tensor.name = names[tensor.name]
    ordered = sorted(used, key=lambda tensor: str(tensor.name))
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(ordered)
