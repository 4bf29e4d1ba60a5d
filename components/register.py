"""Step: records the run in MLflow and registers its package as a version of the model."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from components.package.model_package import read_package
from components.registry.model_registry import (
    RUN_TAG,
    SNAPSHOT_TAG,
    SNAPSHOT_URI_TAG,
    Registered,
    connect,
    register_version,
    version_of,
)
from components.registry.package_store import kept_package
from components.registry.tracking import KeptResults, RunRecord, artifact_folder, kept_record, record_run
from components.spec.contract import PACKAGE_TAG
from components.step import running, step
from components.store.content import Kind, Store

#: The artifact of a run with the findings of validation.
VALIDATION: Final = "validation.md"


@dataclass(frozen=True)
class DataOrigin:
    """The data of a run: the snapshot, the bytes it was taken from, and the findings of validation in Markdown."""

    snapshot_uri: str
    source_digest: str
    findings: str


def register_package(uri: str, record: RunRecord, folder: Path, source: DataOrigin) -> Registered:
    """Registers a package once and gives its version the alias `challenger`; returns the version.

    Raises:
        PackageError: the package was changed.
    """
    package = read_package(folder)
    tags = {**version_tags(folder, source), RUN_TAG: record.run}
    client = connect(uri)
    run_id = record_run(client, record, tags)
    if version_of(client, record.service, package.digest) is None:
        client.log_artifacts(run_id, str(folder), "package")
        client.log_text(run_id, source.findings, VALIDATION)
    place = f"{artifact_folder(client, run_id)}/package"
    version = register_version(client, record.service, place, run_id, tags)
    client.set_terminated(run_id, "FINISHED")
    return version


def version_tags(folder: Path, source: DataOrigin) -> dict[str, str]:
    """The tags of a version, which resolve to everything in the receipt."""
    package = read_package(folder)
    receipt = package.receipt
    return {
        PACKAGE_TAG: package.digest,
        SNAPSHOT_TAG: receipt.data,
        SNAPSHOT_URI_TAG: source.snapshot_uri,
        "canario.source": source.source_digest,
        "canario.code": receipt.code,
        "canario.lock": receipt.lock,
        "canario.candidate": receipt.candidate,
        "canario.champion": receipt.champion or "",
        **{f"canario.file.{name}": digest for name, digest in receipt.files.items()},
    }


@step
def register(
    service: str,
    run: str,
    mlflow: str,
    store: str,
    code: str,
    source: str,
    package: str,
    snapshot: str,
    evaluation: str,
    trials: str,
    figures: str,
    findings: str,
) -> NamedTuple("Outputs", [("version", str), ("run_id", str)]):  # type: ignore[valid-type]
    """Records the run in MLflow and registers the package; returns the version, and the run's id in MLflow.

    `source` is the digest of the table's bytes; the others are of content in the store.
    """
    with running(code), tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as spare:
        record = kept_record(store, service, run, KeptResults(evaluation, trials, figures), Path(folder))
        findings_text = Store(store).get(Kind.OBJECT, findings).decode()
        origin = DataOrigin(Store(store).uri(Kind.SNAPSHOT, snapshot), source, findings_text)
        made = kept_package(Store(store), package, Path(spare, "package"))
        version = register_package(mlflow, record, made.path, origin)
        print(f"version {version.version} of {service}, run {version.run_id}")
        return version.version, version.run_id
