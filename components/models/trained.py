"""A model that can score a table: encoding and graph together, as in the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.digest import Digest
from components.features.encoding import Encoding, encode_table
from components.models.machine import Machine
from components.models.usage import Usage
from components.package.answers import OUTPUTS, Outputs
from components.package.model_package import INPUT_NAME, MODEL, Package, open_graph
from components.spec.contract import ClosedModel
from components.spec.tasks import Candidate, Task
from components.store.content import Store
from components.store.files import keep_files, kept_files

#: The file next to `model.onnx` among those that `train` keeps.
FIT = "fit.json"


class Fit(ClosedModel):
    """The record of a model's training.

    Attributes:
        parity: largest difference between the graph and the fitted model over the training rows; of a value in parts
            of the target's spread.
        machine: the machine that fitted it; of several workers the first's.
        lock: digest of the lock file of the image or environment that fitted it; None in older records.
        usage: what the step used; None in older records.
        workers: how many fitted it together.
        resumed_after: epochs that tries before the last had done; 0 if one try did all.
    """

    candidate: Candidate
    parameters: dict[str, Any]
    encoding: Encoding
    strategy: str
    parity: float
    rows: int
    machine: Machine
    lock: Digest | None = None
    usage: Usage | None = None
    workers: int = 1
    resumed_after: int = 0


@dataclass(frozen=True)
class Trained:
    """A model that can score rows."""

    encoding: Encoding
    predict: Callable[[NDArray[np.float32]], Outputs]

    def score(self, columns: Mapping[str, Any]) -> NDArray[np.float64]:
        """Columns in the table's unit -> outputs as float64: probability or value [rows], probabilities [rows, k]."""
        return self.predict(encode_table(self.encoding, columns)).astype(np.float64)


def keep_model(store: Store, model: bytes, fit: Fit) -> str:
    """Keeps a fitted model, as an ONNX graph with its record, in the store; returns its digest."""
    return keep_files(store, {MODEL: model, FIT: fit.model_dump_json(indent=2).encode()})


def kept_model(store: Store, digest: str) -> tuple[bytes, Fit]:
    """A fitted model that is in the store: its ONNX graph and its record.

    Raises:
        StoreError: one of them is missing or was changed.
    """
    files = kept_files(store, digest)
    return files[MODEL], Fit.model_validate_json(files[FIT])


def trained_package(package: Package) -> Trained:
    """The model in a package."""
    return Trained(package.contract.encoding, open_graph(package).predict)


def graph_runner(model: bytes, task: Task = "binary") -> Callable[[NDArray[np.float32]], Outputs]:
    """A graph's function, float32 [N, width] -> the task's outputs, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    name = OUTPUTS[task].name

    def run(encoded: NDArray[np.float32]) -> Outputs:
        outputs: Outputs = session.run([name], {INPUT_NAME: encoded})[0]
        return outputs

    return run
