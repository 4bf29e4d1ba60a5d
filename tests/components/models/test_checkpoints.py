"""Checkpoints in the store, and a network that goes on from one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.errors import LostWorkersError
from components.models.checkpoints import Checkpoint, Checkpoints
from components.store.content import Store


def values(number: float) -> list[Any]:
    return [np.full((2, 3), number, np.float32), np.array(7, np.int64)]


def test_the_last_checkpoint_is_read_by_every_worker(tmp_path: Path) -> None:
    first, second = (Checkpoints(Store(str(tmp_path)), "t/c.npz", writes=writes) for writes in (True, False))
    assert second.last() is None
    for epochs in (1, 2):
        first.save(Checkpoint(epochs, values(epochs)))
    found = second.last()
    assert found
    assert (found.epochs, second.resumed_after) == (2, 2)
    for ours, theirs in zip(found.values, values(2), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


def test_only_one_worker_writes(tmp_path: Path) -> None:
    Checkpoints(Store(str(tmp_path)), "t/c.npz", writes=False).save(Checkpoint(1, values(1)))
    assert not list(tmp_path.iterdir())


def test_workers_with_other_checkpoints_do_not_train_together(tmp_path: Path) -> None:
    writer = Checkpoints(Store(str(tmp_path)), "t/c.npz", writes=True)
    writer.save(Checkpoint(3, values(1)))
    writer.last()
    writer.agree(3.0)
    with pytest.raises(LostWorkersError, match="after epoch 3, and another worker read another"):
        writer.agree(3.5)


class _EndedError(Exception):
    """Stands for the end of a machine."""


class _Ending(Checkpoints):
    """Checkpoints of a machine that ends after some epochs."""

    def save(self, progress: Checkpoint) -> None:
        super().save(progress)
        if progress.epochs == 5:
            raise _EndedError


@pytest.mark.slow
def test_a_network_that_goes_on_is_the_one_without_a_break(tmp_path: Path) -> None:
    from components.models.keras_mlp import fit_mlp

    rows = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)

    def fitted(checkpoints: Checkpoints | None) -> bytes:
        parameters = {"units": (4,), "learning_rate": 0.01, "dropout": 0.2}
        return fit_mlp("binary", parameters, rows, rows[:, 0] > 0, 1, "none", checkpoints).onnx(3)

    store = Store(str(tmp_path))
    with pytest.raises(_EndedError):
        fitted(_Ending(store, "t/c.npz", writes=True))
    again = Checkpoints(store, "t/c.npz", writes=True)
    went_on = fitted(again)
    assert again.resumed_after == 5
    assert went_on == fitted(None)
