"""Step: packages the model, records the run in MLflow and registers the package as a version of the model."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from components.code import lock_digest
from components.evaluation.gates import refuse_violations
from components.models.meter import metered
from components.models.trained import kept_model
from components.package.model_package import read_package
from components.registry.model_registry import (
    RUN_TAG,
    SNAPSHOT_TAG,
    SNAPSHOT_URI_TAG,
    Registered,
    connect,
    made_by_run,
    register_version,
    version_of,
)
from components.registry.package_store import keep_package, keep_registered, kept_package
from components.registry.packaging import Origin, package_model
from components.registry.step_usage import add_usage
from components.registry.tracking import KeptResults, RunRecord, artifact_folder, kept_record, record_run
from components.spec.contract import PACKAGE_TAG
from components.step import running, step
from components.store.content import Kind, Store
from components.store.reading import kept_examples, kept_spec

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
    spec: str,
    run: str,
    mlflow: str,
    store: str,
    code: str,
    commit: str,
    source: str,
    snapshot: str,
    model: str,
    holdout: str,
    evaluation: str,
    trials: str,
    figures: str,
    used: str,
    findings: str,
) -> NamedTuple("Outputs", [("version", str), ("run_id", str), ("package", str)]):  # type: ignore[valid-type]
    """Packages the model, records the run in MLflow and registers the package.

    Returns the version, the run's id in MLflow, and the package's digest. `source` is the digest of the table's
    bytes; the other digests are of content in the store. `used` is what `gate` returned.

    A run that registered a version before keeps that version's package: against another champion the same model
    would get another package, although nothing about it is new.
    """
    with running(code), tempfile.TemporaryDirectory() as folder:
        with metered() as meter:
            parsed, keep = kept_spec(store, spec), Store(store)
            results = KeptResults(evaluation, trials, figures, used)
            record = kept_record(store, parsed.name, run, results, Path(folder, "figures"))
            origin = DataOrigin(keep.uri(Kind.SNAPSHOT, snapshot), source, keep.get(Kind.OBJECT, findings).decode())
            refuse_violations(record.evaluation)
            known, target = made_by_run(mlflow, parsed.name, run), Path(folder, "package")
            if known:
                keep_registered(known, mlflow, keep)
                made = kept_package(keep, known.package, target)
                print(f"nothing new: version {known.version} has the package {known.package}")
            else:
                graph, fit = kept_model(keep, model)
                made_of = Origin(run, snapshot, commit, fit.lock or lock_digest())
                rows = kept_examples(store, holdout, parsed, Kind.OBJECT)
                made = package_model(graph, fit, record.evaluation, rows, parsed, made_of, target)
                keep_package(made, keep)
            version = register_package(mlflow, record, made.path, origin)
            print(f"version {version.version} of {parsed.name}, run {version.run_id}, package {made.digest}")
        add_usage(mlflow, version.run_id, {"register": meter.usage()})
        return version.version, version.run_id, made.digest
