"""Step: records the run in MLflow and registers its package as a version of the model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kfp import dsl

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
from components.registry.tracking import RunRecord, artifact_folder, record_run
from components.spec.contract import PACKAGE_TAG
from components.step import step

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
    evaluation: dsl.Input[dsl.Artifact],
    trials: dsl.Input[dsl.Artifact],
    figures: dsl.Input[dsl.Artifact],
    findings: dsl.Input[dsl.Markdown],
    registration: dsl.Output[dsl.Artifact],
) -> str:
    """Records the run in MLflow and registers the package; returns the version.

    `source`, `package` and `snapshot` are digests: of the bytes of the table, and of content in the store.
    """
    import json
    import tempfile
    from dataclasses import asdict
    from pathlib import Path

    from components.register import DataOrigin, register_package
    from components.registry.package_store import kept_package
    from components.registry.tracking import read_record
    from components.step import running
    from components.store.content import Kind, Store

    with running(code), tempfile.TemporaryDirectory() as folder:
        record = read_record(service, run, evaluation.path, trials.path, figures.path)
        findings_text = Path(findings.path).read_text(encoding="utf-8")
        origin = DataOrigin(Store(store).uri(Kind.SNAPSHOT, snapshot), source, findings_text)
        made = kept_package(Store(store), package, Path(folder, "package"))
        version = register_package(mlflow, record, made.path, origin)
        Path(registration.path).write_text(json.dumps(asdict(version), indent=2), encoding="utf-8")
        print(f"version {version.version} of {service}, run {version.run_id}")
        return version.version
