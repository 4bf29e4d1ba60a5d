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
from components.models.graphs import finished
from components.models.spaces import Matrix, Parameters
from components.models.strategy import open_strategy
from components.package.model_package import INPUT_NAME, OUTPUT_NAME
from components.spec.contract import Strategy

keras = tf.keras

EPOCHS = 12
#: Rows per step: small tables get enough steps, large ones not too many.
SMALLEST_BATCH, LARGEST_BATCH = 32, 4096


@dataclass(frozen=True)
class KerasModel:
    """A fitted network."""

    network: Any

    def positive(self, encoded: Matrix) -> NDArray[np.float64]:
        """Encoded rows [n, width] -> probability of the positive class, float64 [n]."""
        probabilities = self.network.predict(encoded, batch_size=LARGEST_BATCH, verbose=0)
        return np.asarray(probabilities, dtype=np.float64)[:, 0]

    def onnx(self, width: int) -> bytes:
        """The ONNX graph that Keras exports, with the package's names and shapes."""
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder, "network.onnx")
            self.network.export(str(path), format="onnx", verbose=False)
            return _renamed(onnx.load(path), width)


def fit_mlp(
    parameters: Parameters,
    encoded: Matrix,
    labels: NDArray[Any],
    seed: int,
    strategy: Strategy,
    checkpoints: Checkpoints | None = None,
) -> KerasModel:
    """Fits a network to encoded rows; the same arguments give the same network on the same device.

    With checkpoints it goes on from the last one, to the same network as without a break.

    Raises:
        LostWorkersError: the workers read different checkpoints.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    distribution = open_strategy(strategy)
    with distribution.scope():
        network = _network(parameters, encoded.shape[1])
        optimizer = keras.optimizers.Adam(parameters["learning_rate"])
        optimizer.build(network.trainable_variables)
    rows = _Rows(encoded, labels.astype(np.float32), seed)
    _train(network, optimizer, distribution, rows, checkpoints)
    # A network under a strategy answers in pieces, one per replica; a plain network with its weights answers at once.
    plain = _network(parameters, encoded.shape[1])
    plain.set_weights(network.get_weights())
    # Keras exports only a network that has been called.
    plain(encoded[:1])
    return KerasModel(plain)


@dataclass(frozen=True)
class _Rows:
    """What a network learns from, and the seed of its order."""

    encoded: Matrix
    labels: NDArray[np.float32]
    seed: int

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
    step = _step(network, optimizer, rows.batch)

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


def _step(network: Any, optimizer: Any, batch: int) -> Callable[[Any, Any], None]:
    """Makes the step function of a replica, for its share of a batch of `batch` rows."""

    def step(inputs: Any, answers: Any) -> None:
        with tf.GradientTape() as tape:
            losses = keras.losses.binary_crossentropy(answers[:, None], network(inputs, training=True))
            loss = tf.nn.compute_average_loss(losses, global_batch_size=batch)
        variables = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    return step


def _network(parameters: Parameters, width: int) -> Any:
    layers = [keras.Input((width,))]
    for units in parameters["units"]:
        layers += [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(parameters["dropout"])]
    return keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])


def _renamed(model: onnx.ModelProto, width: int) -> bytes:
    """The exported graph, changed to return [N] for [N, width]; Keras returns [N, 1]."""
    graph = model.graph
    given, answered = graph.input[0].name, graph.output[0].name
    graph.node.insert(0, helper.make_node("Identity", [INPUT_NAME], [given]))
    graph.initializer.append(numpy_helper.from_array(np.array([1]), "canario_axis"))
    graph.node.append(helper.make_node("Squeeze", [answered, "canario_axis"], [OUTPUT_NAME]))
    graph.input[0].CopyFrom(helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["N", width]))
    graph.output[0].CopyFrom(helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["N"]))
    _rename_everything(graph)
    return finished(model)


def _rename_everything(graph: Any) -> None:
    """Names tensors by place of use, so that equal models have equal bytes; Keras numbers them over a whole process."""
    graph.name, graph.doc_string = "canario", ""
    names = {INPUT_NAME: INPUT_NAME, OUTPUT_NAME: OUTPUT_NAME, "": ""}
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
