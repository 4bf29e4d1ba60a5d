"""Copies a version's records into a dossier's folder, from the registry, the store, Git and the rollouts."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet
from mlflow.exceptions import MlflowException

from components.digest import sha256
from components.errors import GitError, PackageError, UnknownVersionError
from components.package.model_package import read_package
from components.package.papers import materials_file
from components.package.signature import signature_file
from components.register import VALIDATION as FOUND_BY_VALIDATION
from components.registry.model_registry import Registered, find_version, local_package
from components.registry.tracking import EVALUATION, TRIAL_TAG, recorded_text
from components.store.content import Kind, Store
from k8s.audit import records
from k8s.audit.errors import AuditError
from k8s.audit.history import read_history

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class RecordSources:
    """The places of a version's records.

    Attributes:
        build: folder with `store` and the output of other commands.
        mlflow: URI of the registry.
        repository: the environment repository.
        events: the twin's record of rollouts.
    """

    build: Path
    mlflow: str
    repository: Path
    events: Path


def gather(service: str, version: str, places: RecordSources, folder: Path) -> None:
    """Writes every existing record below an empty folder; missing ones are left out.

    Raises:
        AuditError: the version is not registered, its package is broken, or a record cannot be read.
    """
    uri = places.mlflow
    try:
        client, registered = find_version(uri, service, version)
    except UnknownVersionError as error:
        raise AuditError(str(error)) from error
    try:
        _package(registered, uri, folder, places)
        _run(client, registered, folder)
        history = read_history(places.repository, service, registered.package, folder)
    except (PackageError, MlflowException, GitError) as error:
        raise AuditError(f"version {version} of {service}: {error}") from error
    _write(folder / records.HISTORY, history.model_dump())
    _write(folder / records.SNAPSHOT, _snapshot(registered, Store(str(places.build / "store"))).model_dump())
    _rollouts(service, version, places, folder)


def _package(registered: Registered, uri: str, folder: Path, places: RecordSources) -> None:
    path = local_package(registered, uri)
    shutil.copytree(path, folder / records.PACKAGE)
    stored = places.build / "store" / "packages" / registered.package.removeprefix("sha256:")
    for beside, name in ((signature_file, records.SIGNATURE), (materials_file, records.MATERIALS)):
        if beside(stored).is_file():
            shutil.copyfile(beside(stored), folder / name)
    read_package(folder / records.PACKAGE)


def _run(client: MlflowClient, registered: Registered, folder: Path) -> None:
    _write(folder / records.RUN, run_record(client, registered))
    for artifact, name in ((EVALUATION, records.EVALUATION), (FOUND_BY_VALIDATION, records.VALIDATION)):
        text = recorded_text(client, registered.run_id, artifact)
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
        elif artifact == EVALUATION:
            raise AuditError(
                f"version {registered.version} of {registered.name}: its run {registered.run_id} has no {EVALUATION}, "
                "on which a dossier rests; train it again"
            )


def run_record(client: MlflowClient, registered: Registered) -> dict[str, Any]:
    """A run from the registry: the version, its tags, and each trial of the search."""
    run = client.get_run(registered.run_id)
    query = f"tags.`mlflow.parentRunId` = '{registered.run_id}'"
    trials = client.search_runs([run.info.experiment_id], query, max_results=1000)
    return {
        "service": registered.name,
        "version": registered.version,
        "run_id": registered.run_id,
        "name": run.info.run_name,
        "status": run.info.status,
        "started_ms": run.info.start_time,
        "ended_ms": run.info.end_time,
        "tags": {name: text for name, text in sorted(run.data.tags.items()) if not name.startswith("mlflow.")},
        "parameters": dict(sorted(run.data.params.items())),
        "metrics": dict(sorted(run.data.metrics.items())),
        "trials": sorted((_trial(one) for one in trials), key=lambda one: int(one["number"])),
    }


def _trial(run: Any) -> dict[str, Any]:
    return {"number": run.data.tags.get(TRIAL_TAG, "-1"), "parameters": run.data.params, "metrics": run.data.metrics}


def _snapshot(registered: Registered, store: Store) -> records.SnapshotRecord:
    """Describes the snapshot without copying it: the data may be about people, and the receipt names its digest."""
    content = _data(registered, store)
    if content is None:
        return records.SnapshotRecord(named=registered.snapshot, digest=None, rows=None)
    rows = None
    if sha256(content) == registered.snapshot:
        rows = int(pyarrow.parquet.read_metadata(pa.BufferReader(content)).num_rows)
    return records.SnapshotRecord(named=registered.snapshot, digest=sha256(content), rows=rows)


def _data(registered: Registered, store: Store) -> bytes | None:
    """The bytes in the store, else those where the version was trained, else None."""
    for uri in (store.uri(Kind.SNAPSHOT, registered.snapshot), registered.snapshot_uri):
        with contextlib.suppress(Exception), fsspec.open(uri, "rb") as file:  # each kind of store has its own errors
            return bytes(file.read())
    return None


def _rollouts(service: str, version: str, places: RecordSources, folder: Path) -> None:
    """Copies the records of the rollouts, the replay and the image."""
    _copy_if(places.events, folder / records.EVENTS, lambda _: True)
    if not records.Records(folder).events:
        (folder / records.EVENTS).unlink(missing_ok=True)
    told = f"{service} version {version} in "
    verdict = places.build / "verdict" / "check.json"
    _copy_if(verdict, folder / records.VERDICT, lambda found: _title(found).startswith(told))
    package = json.loads((folder / records.RUN).read_bytes())["tags"]["canario.package"]
    replay = places.build / "replay" / f"{service}-{version}.json"
    _copy_if(replay, folder / records.REPLAY, lambda found: _member(found, "package") == package)
    image = places.build / "images" / f"{service}.json"
    _copy_if(image, folder / records.IMAGE, lambda found: _member(found, "package") == package)


def _copy_if(source: Path, target: Path, wanted: Any) -> None:
    """Copies a record if it exists and is about this version."""
    if source.is_file() and wanted(source):
        shutil.copyfile(source, target)


def _member(path: Path, name: str) -> Any:
    found = json.loads(path.read_bytes())
    return found.get(name) if isinstance(found, dict) else None


def _title(path: Path) -> str:
    output = _member(path, "output")
    return str(output.get("title", "")) if isinstance(output, dict) else ""


def _write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
