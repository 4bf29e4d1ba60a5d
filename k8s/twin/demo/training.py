"""Runs the training pipeline for one version of the demo in a separate process."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import ComponentError

_ROOT = Path(__file__).resolve().parents[3]
_REFUSED = 3


class DemoTrainingError(ComponentError):
    """The pipeline failed for a reason other than a gate."""


@dataclass(frozen=True)
class TrainedVersion:
    """The result of a run (see `pipelines.local`), and the reason if a gate refused the version."""

    result: dict[str, Any]
    refused: str | None

    @property
    def package(self) -> str | None:
        """Digest of the package; None when a gate refused the version."""
        return None if self.refused else self.result["digest"]


@dataclass(frozen=True)
class TrainingRun:
    """The folders that the demo's training runs share."""

    home: Path
    repository: Path
    environment: str

    @property
    def store(self) -> Path:
        """Folder of snapshots and packages."""
        return self.home / "store"

    @property
    def tracking(self) -> str:
        """URI of the experiment tracker."""
        return f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    def train(self, number: int, spec: Path, data: str, settings: dict[str, str]) -> TrainedVersion:
        """Trains version `number` and releases it; progress goes to our stderr.

        Raises:
            DemoTrainingError: the run failed, and not at a gate; the message says where its log is.
        """
        folder = self.home / "versions" / str(number)
        command = [
            sys.executable, "-m", "pipelines.local", "--spec", str(spec), "--home", str(folder), "--data", data,
            "--store", str(self.store), "--mlflow", self.tracking,
            "--environment", str(self.repository), "--env", self.environment, "--settings", json.dumps(settings),
        ]  # fmt: skip
        with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL) as run:
            try:
                status = run.wait()
            except BaseException:
                run.terminate()
                raise
        if status not in {0, _REFUSED}:
            raise DemoTrainingError(f"training version {number} ended with {status}; its log is {folder / 'run.log'}")
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        return TrainedVersion(result, result["message"] if status == _REFUSED else None)
