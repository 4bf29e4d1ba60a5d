"""Follows an answer back to the data, digest by digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.errors import PackageError
from components.package.model_package import MODEL, Package, read_package
from k8s.twin.report.record import Loose, MissingPartError, read_model
from services.telemetry import RECEIPT_HEADER


class SnapshotFacts(Loose):
    """The table that a run read."""

    digest: str
    rows: int


class Result(Loose):
    """The shown part of `versions/<n>/result.json`; see `pipelines.local`."""

    status: str
    message: str = ""
    package: Path | None = None
    digest: str | None = None
    run_id: str | None = None
    commit: str | None = None
    snapshot: SnapshotFacts | None = None


@dataclass(frozen=True)
class LineageStep:
    """One step of the lineage: its name, its identifier, and a description."""

    name: str
    identity: str
    what: str


def read_result(home: Path, version: str) -> Result:
    """The result of a version's training.

    Raises:
        MissingPartError: the training left no result.
    """
    return read_model(home / "versions" / version / "result.json", home, Result)


def chain(home: Path, version: str) -> list[LineageStep]:
    """The steps from the header of an answer down to the lock file.

    Raises:
        MissingPartError: the package is missing, or a byte of it was changed.
    """
    result = read_result(home, version)
    package = package_of(home, version)
    receipt = package.receipt
    rows = f", {result.snapshot.rows:,} rows" if result.snapshot else ""
    return [
        LineageStep("Answer", f"{RECEIPT_HEADER}: {package.digest}", f"a header of every answer of version {version}"),
        LineageStep(
            "Package", package.digest, "graph, contract, golden requests, hold-out and receipt; every byte checked"
        ),
        LineageStep("Model", receipt.files[MODEL], f"{MODEL}, made by the training run {receipt.run}"),
        LineageStep("Data", receipt.data, f"the snapshot of the table that it was trained on{rows}"),
        LineageStep("Code", receipt.code, "the code that trained it"),
        LineageStep("Libraries", receipt.lock, "the lock file that names each of them by its hash"),
    ]


def package_of(home: Path, version: str) -> Package:
    """A version's package, every byte checked.

    Raises:
        MissingPartError: the package is missing, or a byte of it was changed.
    """
    result = read_result(home, version)
    if result.package is None:
        raise MissingPartError(f"Version {version} has no package: {result.message or result.status}.")
    try:
        return read_package(home / result.package)
    except PackageError as error:
        raise MissingPartError(f"The package cannot be trusted: {error}.") from error
