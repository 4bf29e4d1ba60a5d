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
from components.spec.contract import Candidate, Strategy


class Fitted(Protocol):
    """A fitted model."""

    def positive(self, encoded: Matrix) -> NDArray[np.float64]:
        """Encoded rows [n, width] -> probability of the positive class, float64 [n]."""

    def onnx(self, width: int) -> bytes:
        """The ONNX graph from `input` float32 [N, width] to `probability` float32 [N]."""


def fit_candidate(
    kind: Candidate,
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

        return fit_mlp(parameters, encoded, labels, seed, strategy, checkpoints)
    from components.models.sklearn_models import fit_sklearn

    return fit_sklearn(kind, parameters, encoded, labels, seed)
