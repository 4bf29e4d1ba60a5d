"""The state of a training after each epoch, kept in the store for a worker that starts again."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from components.errors import LostWorkersError
from components.store.content import Store

_EPOCHS: Final = "epochs"


@dataclass(frozen=True)
class Checkpoint:
    """A training after some epochs: the values of all its variables, in their order."""

    epochs: int
    values: list[NDArray[Any]]


class Checkpoints:
    """The last checkpoint of one training, under a name in the store.

    Every worker reads it, and one writes it.

    Attributes:
        resumed_after: epochs of the checkpoint from which this try went on; 0 without one.
    """

    def __init__(self, store: Store, name: str, *, writes: bool) -> None:
        self._store, self._name, self._writes = store, name, writes
        self.resumed_after = 0

    def last(self) -> Checkpoint | None:
        """The last checkpoint, if there is one.

        Raises:
            StoreError: the store refuses, or does not answer for minutes.
        """
        content = self._store.read(self._name)
        if content is None:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            values = [arrays[str(place)] for place in range(len(arrays.files) - 1)]
            self.resumed_after = int(arrays[_EPOCHS])
        print(f"goes on from the checkpoint after epoch {self.resumed_after}", flush=True)
        return Checkpoint(self.resumed_after, values)

    def agree(self, mean: float) -> None:
        """Compares with the other workers, by the mean of the epochs that all have read.

        Raises:
            LostWorkersError: another worker has read another checkpoint, which was replaced in that moment.
        """
        if mean != self.resumed_after:
            raise LostWorkersError(
                f"this worker read the checkpoint after epoch {self.resumed_after}, and another worker read another"
            )

    def save(self, progress: Checkpoint) -> None:
        """Replaces the checkpoint, if this worker writes it.

        Raises:
            StoreError: the store refuses, or does not answer for minutes.
        """
        if not self._writes:
            return
        arrays: dict[str, Any] = {str(place): value for place, value in enumerate(progress.values)}
        arrays[_EPOCHS] = np.array(progress.epochs)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        self._store.write(self._name, buffer.getvalue())
