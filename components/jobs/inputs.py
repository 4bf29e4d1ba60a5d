"""What workers that train together read from the store, and where they leave their model there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from components.digest import sha256


@dataclass(frozen=True)
class WorkerInputs:
    """One training by several workers: the store's address, digests in it, and the digest of the code."""

    store: str
    code: str
    spec: str
    train: str
    trials: str
    workers: int

    @property
    def digest(self) -> str:
        """The digest of everything that decides the model."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode())

    def arguments(self, name: str) -> list[str]:
        """The arguments of a worker of the training `name`: its module, then options."""
        given = [word for option, value in asdict(self).items() for word in (f"--{option}", str(value))]
        return ["components.jobs.train_worker", *given, "--name", name]


def folder(name: str) -> str:
    """The folder of a training in the store; it goes when the training is over."""
    return f"trainings/{name}"


def result_file(name: str) -> str:
    """The file in the store with the digest of the model, written last."""
    return f"{folder(name)}/result.json"


def alive_file(name: str) -> str:
    """The file in the store that changes as long as somebody waits for the workers."""
    return f"{folder(name)}/alive"


def checkpoint_file(name: str) -> str:
    """The file in the store that a worker goes on from."""
    return f"{folder(name)}/checkpoint.npz"
