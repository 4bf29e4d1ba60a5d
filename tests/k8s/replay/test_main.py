"""`make replay` on versions that this very code trained, in a repository of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from components.code import LOCK_FILE, ROOT
from components.registry.model_registry import promote
from components.store.content import Store
from k8s.replay.__main__ import main
from k8s.replay.alone import isolation
from k8s.replay.errors import ReplayError
from k8s.replay.materials import find_kept, gather
from k8s.replay.rebuild import checked_out, rebuild
from tests.components.small_table import csv_of, small_frame, small_spec
from tests.git_repository import git

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@dataclass(frozen=True)
class Clone:
    code: Path
    build: Path

    def train(self, rows: int) -> None:
        table = self.code.parent / f"{rows}.csv"
        table.write_bytes(csv_of(small_frame(rows)))
        places = ["--home", str(self.build / "train" / "small"), "--store", str(self.build / "store")]
        command = [sys.executable, "-m", "pipelines.local", "--spec", str(self.code.parent / "spec.yaml"), *places]
        command += ["--mlflow", self.mlflow, "--data", str(table)]
        environment = {**os.environ, "PYTHONPATH": str(self.code)}
        done = subprocess.run(command, cwd=self.code, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    @property
    def mlflow(self) -> str:
        return f"sqlite:///{self.build / 'mlflow' / 'mlflow.db'}"

    def replay(self, version: str) -> int:
        return main(["--service", "small", "--version", version, "--build", str(self.build), "--code", str(self.code)])

    def record(self, version: str) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.build / "replay" / f"small-{version}.json").read_text())
        return found


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """This tree's code in one commit; version 1, promoted, and version 2, which was compared with it."""
    home = tmp_path_factory.mktemp("clone")
    code = home / "code"
    for folder in ("components", "pipelines"):
        shutil.copytree(ROOT / folder, code / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / LOCK_FILE, code / LOCK_FILE)
    (code / ".gitignore").write_text("__pycache__/\n")
    git(code, "init", "-q")
    git(code, "add", ".")
    git(code, "commit", "-qm", "code")
    spec = small_spec().model_dump(mode="json", exclude_defaults=True)
    (home / "spec.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    made = Clone(code, home / "build")
    made.train(600)
    promote(made.mlflow, "small", "1")
    made.train(700)
    return made


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_version_is_made_again_to_the_last_byte(
    clone: Clone, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clone.replay(version) == 0
    said = capsys.readouterr().out
    assert f"version {version} of small was made again to the last byte" in said
    assert "network   none" in said
    record = clone.record(version)
    assert (record["verdict"], record["rebuilt"], record["different"]) == ("equal", record["package"], [])
    assert git(clone.code, "worktree", "list").count("\n") == 0
    assert git(clone.code, "status", "--porcelain") == ""


def test_a_commit_that_git_would_replace_is_not_believed(clone: Clone) -> None:
    """A replay takes the commit itself, and not the one that git would show in its place."""
    first = git(clone.code, "rev-parse", "HEAD")
    (clone.code / "components" / "train.py").write_text("raise SystemExit(1)\n")
    git(clone.code, "commit", "-qam", "broken")
    git(clone.code, "replace", first, "HEAD")
    try:
        assert clone.replay("1") == 0
    finally:
        git(clone.code, "replace", "-d", first)
        git(clone.code, "reset", "-q", "--hard", first)


def test_a_training_that_fails_leaves_nothing_and_says_so(clone: Clone, tmp_path: Path) -> None:
    kept, client = find_kept(clone.mlflow, "small", "1", Store(str(clone.build / "store")))
    found = gather(kept, client, clone.code)
    receipt = kept.package.receipt.model_copy(update={"spec": {"name": "small"}})
    broken = replace(found, kept=replace(kept, package=replace(kept.package, receipt=receipt)))
    with (
        checked_out(clone.code, receipt.code, tmp_path / "tree") as tree,
        pytest.raises(ReplayError, match="ended with 2 and left no result"),
    ):
        rebuild(broken, tree, Path(sys.executable), isolation(), tmp_path)
    assert not (tmp_path / "tree").exists()
    assert git(clone.code, "worktree", "list").count("\n") == 0
