"""Fits one kind of model.

Every kind reads the same encoded float32 matrix as serving, so that training and
serving agree to the last bit.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from components.models.checkpoints import Checkpoints
from components.models.spaces import Matrix, Parameters
from components.spec.contract import Strategy
from components.spec.tasks import BOOSTED, Candidate, Task


class Fitted(Protocol):
    """A fitted model."""

    def predict(self, encoded: Matrix) -> NDArray[np.float64]:
        """Encoded rows [n, width] -> outputs as `components.package.answers` has them by task, in float64."""

    def onnx(self, width: int) -> bytes:
        """The ONNX graph from `input` float32 [N, width] to those outputs."""


def fit_candidate(
    kind: Candidate,
    task: Task,
    parameters: Parameters,
    encoded: Matrix,
    labels: NDArray[Any],
    seed: int,
    strategy: Strategy = "none",
    checkpoints: Checkpoints | None = None,
) -> Fitted:
    """Fits one kind of model; the same arguments give the same model. Only a network has checkpoints."""
    if kind == "keras_mlp":
        from components.models.keras_mlp import fit_mlp

        return fit_mlp(task, parameters, encoded, labels, seed, strategy, checkpoints)
    if kind in BOOSTED:
        from components.models.boosting_models import fit_boosted

        return fit_boosted(kind, task, parameters, encoded, labels, seed)
    from components.models.sklearn_models import fit_sklearn

    return fit_sklearn(kind, task, parameters, encoded, labels, seed)
