"""Finds the materials of a rebuild, and checks each against its digest before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException

from components.code import LOCK_FILE
from components.errors import DataError, GitError, PackageError, StoreError, UnknownVersionError
from components.evaluation.result import Evaluation
from components.models.machine import Machine
from components.package.model_package import Package, read_package
from components.registry.lock_files import LockFile, committed_lock
from components.registry.model_registry import Registered, find_version, local_package, version_of
from components.registry.package_store import keep_data
from components.registry.provenance import why_no_commit
from components.registry.tracking import EVALUATION, recorded_text
from components.store.content import Kind, Store
from k8s.replay.errors import ReplayError

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class StoredFile:
    """A registered version whose every byte was checked.

    Attributes:
        mlflow: URI of the registry that holds the version.
        store: a folder of this machine, which gets the data if it lacks it.
        snapshot: the file with its training table.
    """

    mlflow: str
    store: Store
    registered: Registered
    package: Package
    snapshot: Path


@dataclass(frozen=True)
class Materials:
    """Everything that a replay reads.

    Attributes:
        champion: the version with which it was compared, if any.
        lock: the lock file at its commit with whose libraries it was trained.
        machine: the machine that trained it; None when it was not recorded.
    """

    kept: StoredFile
    champion: StoredFile | None
    lock: LockFile
    machine: Machine | None


def find_kept(mlflow: str, service: str, version: str, store: Store) -> tuple[StoredFile, MlflowClient]:
    """A registered version with its package and its data.

    Raises:
        ReplayError: the registry, the version, the package or the data is missing or was changed.
    """
    try:
        client, registered = find_version(mlflow, service, version)
    except UnknownVersionError as error:
        raise ReplayError(str(error)) from error
    return _kept(registered, mlflow, store), client


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
    fault = why_no_commit(receipt.code, code)
    if fault:
        raise ReplayError(fault)
    return Materials(kept, _champion(kept, client), _lock(receipt.code, receipt.lock, code), _machine(kept, client))


def _kept(registered: Registered, mlflow: str, store: Store) -> StoredFile:
    try:
        package = read_package(local_package(registered, mlflow))
    except (PackageError, MlflowException) as error:
        raise ReplayError(f"the package of version {registered.version} is not to be had: {error}") from error
    return StoredFile(mlflow, store, registered, package, _snapshot(registered, package.receipt.data, store))


def _snapshot(registered: Registered, digest: str, store: Store) -> Path:
    """The version's data as a file: `store` is a folder here, and gets the data from where the version was trained."""
    path = store.local(Kind.SNAPSHOT, digest)
    if path is None:
        raise ReplayError(f"{store.address}: a replay keeps data in a folder of this machine, not in a bucket")
    try:
        keep_data(registered, store)
        store.get(Kind.SNAPSHOT, digest)
    except (DataError, StoreError) as error:
        raise ReplayError(f"{error}; bring the snapshot {digest} back") from error
    return path


def _lock(commit: str, digest: str, code: Path) -> LockFile:
    try:
        found = committed_lock(code, commit, digest)
    except GitError as error:
        raise ReplayError(f"commit {commit} has no {LOCK_FILE}, so no library of it is known: {error}") from error
    if found is None:
        raise ReplayError(
            f"no lock file of commit {commit} has the digest {digest} that the receipt names: other libraries trained "
            "it than its commit locks; train it again"
        )
    return found


def _champion(kept: StoredFile, client: MlflowClient) -> StoredFile | None:
    digest = kept.package.receipt.champion
    if digest is None:
        return None
    found = version_of(client, kept.registered.name, digest)
    if found is None:
        raise ReplayError(
            f"the champion that it was compared with ({digest}) is not registered; bring its version back"
        )
    return _kept(found, kept.mlflow, kept.store)


def _machine(kept: StoredFile, client: MlflowClient) -> Machine | None:
    """The machine that trained the version, from its run in the registry."""
    run = kept.registered.run_id
    try:
        text = recorded_text(client, run, EVALUATION)
        if text is None:
            raise ReplayError(f"run {run} has no {EVALUATION}, so its machine is not known; train it again")
        return Evaluation.model_validate_json(text).machine
    except (MlflowException, OSError, ValueError) as error:
        raise ReplayError(f"{EVALUATION}: the record of run {run} cannot be read: {error}") from error
