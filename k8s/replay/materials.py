"""Finds the materials of a rebuild, and checks each against its digest before anything runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlflow.exceptions import MlflowException

from components.code import LOCK_FILE
from components.errors import GitError, PackageError
from components.evaluation.result import Evaluation
from components.git.command import git
from components.models.machine import Machine
from components.package.model_package import Package, read_package
from components.registry.lock_files import committed_lock
from components.registry.model_registry import Registered, connect, is_empty, local_package, numbered, version_of
from k8s.replay.errors import ReplayError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_CHANGED: Final = "-changed"


@dataclass(frozen=True)
class StoredFile:
    """A registered version whose every byte was checked.

    Attributes:
        mlflow: URI of the registry that holds the version.
        snapshot: the file with its training table.
    """

    mlflow: str
    registered: Registered
    package: Package
    snapshot: Path


@dataclass(frozen=True)
class Materials:
    """Everything that a replay reads.

    Attributes:
        champion: the version with which it was compared, if any.
        lock: the content of the lock file at its commit.
        machine: the machine that trained it; None when it was not recorded.
    """

    kept: StoredFile
    champion: StoredFile | None
    lock: bytes
    machine: Machine | None


def find_kept(mlflow: str, service: str, version: str) -> tuple[StoredFile, MlflowClient]:
    """A registered version with its package and its data.

    Raises:
        ReplayError: the registry, the version, the package or the data is missing or was changed.
    """
    if is_empty(mlflow):
        raise ReplayError(
            f"{mlflow} is not there, so no version is registered; `make train SERVICE={service}` makes one"
        )
    client = connect(mlflow)
    registered = numbered(client, service, version)
    if registered is None:
        raise ReplayError(f"version {version} of {service} is not in {mlflow}; `make ui` shows which there are")
    return _kept(registered, mlflow), client


def gather(kept: StoredFile, client: MlflowClient, code: Path) -> Materials:
    """The materials that a version's receipt names, from the Git repository at `code` and the registry.

    Raises:
        ReplayError: a material is missing, or is not the one that the receipt names.
    """
    receipt = kept.package.receipt
    if not receipt.spec:
        raise ReplayError(
            f"{kept.package.path}: its receipt keeps no spec, so nothing says how to train; train it again"
        )
    _check_commit(receipt.code, code)
    return Materials(kept, _champion(kept, client), _lock(receipt.code, receipt.lock, code), _machine(kept, client))


def _kept(registered: Registered, mlflow: str) -> StoredFile:
    try:
        package = read_package(local_package(registered, mlflow))
    except (PackageError, MlflowException) as error:
        raise ReplayError(f"the package of version {registered.version} is not to be had: {error}") from error
    return StoredFile(mlflow, registered, package, _snapshot(registered, package.receipt.data))


def _snapshot(registered: Registered, digest: str) -> Path:
    path = Path(registered.snapshot_uri.removeprefix("file://"))
    try:
        with path.open("rb") as file:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise ReplayError(
            f"{path}: the data cannot be read ({error.strerror}); bring the snapshot {digest} back"
        ) from error
    if found != digest:
        raise ReplayError(f"{path}: the data was changed: it is {found} now; bring the snapshot {digest} back")
    return path


def _check_commit(commit: str, code: Path) -> None:
    if commit.endswith(_CHANGED):
        raise ReplayError(
            f"it was trained by files that differed from commit {commit.removesuffix(_CHANGED)} and are in no commit, "
            "so nothing makes it again exactly; commit them and train again"
        )
    if commit.startswith("sha256:"):
        raise ReplayError(f"it was trained by code outside of Git ({commit}), so no commit has it; train it in a clone")
    try:
        git(code, "cat-file", "-e", "--end-of-options", f"{commit}^{{commit}}")
    except GitError as error:
        raise ReplayError(f"{code}: commit {commit} is not in this repository; `git fetch` it, then replay") from error


def _lock(commit: str, digest: str, code: Path) -> bytes:
    try:
        found = committed_lock(code, commit, digest)
    except GitError as error:
        raise ReplayError(f"commit {commit} has no {LOCK_FILE}, so no library of it is known: {error}") from error
    if found is None:
        raise ReplayError(
            f"no lock file of commit {commit} has the digest {digest} that the receipt names: other libraries trained "
            "it than its commit locks; train it again"
        )
    return found.content


def _champion(kept: StoredFile, client: MlflowClient) -> StoredFile | None:
    digest = kept.package.receipt.champion
    if digest is None:
        return None
    found = version_of(client, kept.registered.name, digest)
    if found is None:
        raise ReplayError(
            f"the champion that it was compared with ({digest}) is not registered; bring its version back"
        )
    return _kept(found, kept.mlflow)


def _machine(kept: StoredFile, client: MlflowClient) -> Machine | None:
    """The machine that trained the version, from its run in the registry."""
    from mlflow.artifacts import load_text

    uri = f"{client.get_run(kept.registered.run_id).info.artifact_uri}/evaluation.json"
    try:
        return Evaluation.model_validate_json(load_text(uri)).machine
    except (MlflowException, OSError, ValueError) as error:
        raise ReplayError(f"{uri}: the record of its run cannot be read: {error}") from error
