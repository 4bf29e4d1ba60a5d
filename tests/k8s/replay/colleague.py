"""Somebody with a repository of this tree's code, who trains versions of the small model and replays them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.code import LOCK_FILE, ROOT
from k8s.replay.__main__ import main
from tests.components.small_table import csv_of, small_frame, small_spec
from tests.git_repository import git


@dataclass(frozen=True)
class Colleague:
    """A folder with a repository and its build; by default the store and the registry are in the build, too."""

    home: Path
    store: str = ""
    registry: str = ""

    @property
    def code(self) -> Path:
        """The repository."""
        return self.home / "code"

    @property
    def build(self) -> Path:
        """What commands write."""
        return self.home / "build"

    @property
    def mlflow(self) -> str:
        """The registry's URI."""
        return self.registry or f"sqlite:///{self.build / 'mlflow' / 'mlflow.db'}"

    def train(self, rows: int) -> dict[str, Any]:
        """Trains on a table of so many rows; the result."""
        table, home, spec = self.home / f"{rows}.csv", self.build / "train" / "small", self.home / "spec.yaml"
        table.write_bytes(csv_of(small_frame(rows)))
        document = small_spec().model_dump(mode="json", exclude_defaults=True)
        spec.write_text(yaml.safe_dump(document), encoding="utf-8")
        command = [sys.executable, "-m", "pipelines.local", "--spec", str(spec), "--home", str(home)]
        command += ["--store", self.store or str(self.build / "store"), "--work", str(self.build / "store")]
        command += ["--mlflow", self.mlflow, "--data", str(table)]
        environment = {**os.environ, "PYTHONPATH": str(self.code)}
        done = subprocess.run(command, cwd=self.code, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        result: dict[str, Any] = json.loads((home / "result.json").read_text(encoding="utf-8"))
        return result

    def replay(self, version: str) -> int:
        """The exit status of `make replay`."""
        places = ["--build", str(self.build), "--mlflow", self.mlflow, "--code", str(self.code)]
        return main(["--service", "small", "--version", version, *places])

    def record(self, version: str) -> dict[str, Any]:
        """What the replay of a version wrote."""
        path = self.build / "replay" / f"small-{version}.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found


def committed_code(home: Path) -> Path:
    """A repository in a folder, with this tree's code in one commit."""
    code = home / "code"
    for folder in ("components", "pipelines"):
        shutil.copytree(ROOT / folder, code / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / LOCK_FILE, code / LOCK_FILE)
    (code / ".gitignore").write_text("__pycache__/\n")
    git(code, "init", "-q")
    git(code, "add", ".")
    git(code, "commit", "-qm", "code")
    return code
