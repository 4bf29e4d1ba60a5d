"""Trains a version again with its own commit and its own data, in a temporary folder."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.code import LOCK_VARIABLE
from components.errors import GitError, PackageError
from components.git.command import git
from components.models.machine import Machine
from components.package.model_package import Package, read_package
from components.registry.model_registry import RUN_TAG, SNAPSHOT_TAG, SNAPSHOT_URI_TAG
from components.spec.contract import PACKAGE_TAG
from k8s.replay import seed
from k8s.replay.alone import Isolation, bare_environment, guard_python
from k8s.replay.errors import ReplayError
from k8s.replay.materials import Materials, StoredFile


@dataclass(frozen=True)
class Rebuilt:
    """The rebuilt package, and the machine that rebuilt it."""

    package: Package
    machine: Machine | None


@contextmanager
def checked_out(code: Path, commit: str, folder: Path) -> Iterator[Path]:
    """Checks out a commit as a worktree in a folder, and removes the worktree at the end.

    Raises:
        ReplayError: Git refuses.
    """
    try:
        git(code, "worktree", "add", "--quiet", "--detach", str(folder), commit)
    except GitError as error:
        raise ReplayError(f"commit {commit} cannot be checked out: {error}") from error
    try:
        yield folder
    finally:
        git(code, "worktree", "remove", "--force", str(folder))


def rebuild(materials: Materials, tree: Path, python: Path, isolation: Isolation, scratch: Path) -> Rebuilt:
    """Trains again with the code in `tree`; writes only below `scratch`, except for the network guard in `tree`.

    Raises:
        ReplayError: the training failed, or a gate refused the rebuilt model.
    """
    guard_python(tree)
    mlflow = f"sqlite:///{scratch / 'mlflow.db'}"
    if materials.champion:
        _seed(materials.champion, mlflow, [*isolation.prefix, str(python)], tree)
    receipt = materials.kept.package.receipt
    spec = scratch / "service.yaml"
    # JSON is YAML.
    spec.write_text(json.dumps(receipt.spec, ensure_ascii=False), encoding="utf-8")
    home = scratch / "home"
    command = [
        *isolation.prefix, str(python), "-m", "pipelines.local", "--spec", str(spec), "--home", str(home),
        "--data", str(materials.kept.snapshot), "--name", receipt.run, "--mlflow", mlflow, "--store",
        str(scratch / "store"),
    ]  # fmt: skip
    environment = {**bare_environment(tree), LOCK_VARIABLE: materials.lock.name}
    with subprocess.Popen(command, cwd=tree, env=environment, stdout=subprocess.DEVNULL) as training:
        status = _ended(training)
    return _result(home, status)


def _ended(training: subprocess.Popen[bytes]) -> int:
    """Waits for a training and returns its exit status; ends the training if the wait is interrupted."""
    try:
        return training.wait()
    except BaseException:
        training.terminate()
        training.wait()
        raise


def _seed(champion: StoredFile, mlflow: str, python: list[str], tree: Path) -> None:
    receipt = champion.package.receipt
    tags = {
        PACKAGE_TAG: champion.package.digest,
        RUN_TAG: receipt.run,
        SNAPSHOT_TAG: receipt.data,
        SNAPSHOT_URI_TAG: str(champion.snapshot),
    }
    given = {"mlflow": mlflow, "name": receipt.name, "package": champion.package.path.as_uri(), "tags": tags}
    done = subprocess.run(
        [*python, "-P", str(seed.__file__)],
        cwd=tree,
        env=bare_environment(tree),
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ReplayError(f"its champion cannot be registered for the replay: {_last(done.stderr)}")


def _result(home: Path, status: int) -> Rebuilt:
    log = (home / "run.log").read_text(encoding="utf-8", errors="replace") if (home / "run.log").exists() else ""
    if not (home / "result.json").exists():
        raise ReplayError(f"the training ended with {status} and left no result: {_last(log)}")
    result: Mapping[str, Any] = json.loads((home / "result.json").read_text(encoding="utf-8"))
    if result["status"] == "refused":
        raise ReplayError(
            f"the rebuilt model was refused: {result['message']}\nIf only the time of an answer was too long, this "
            "machine is slower or busy: replay again when it is quiet"
        )
    if result["status"] != "ok":
        raise ReplayError(f"the training failed at {result['failed_step']}: {result['message']}")
    machine = json.loads((home / "evaluation.json").read_text(encoding="utf-8")).get("machine")
    try:
        package = read_package(Path(result["package"]))
    except PackageError as error:
        raise ReplayError(f"the rebuilt package cannot be read: {error}") from error
    return Rebuilt(package, Machine.model_validate(machine) if machine else None)


def _last(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-5:]) or "it said nothing"
