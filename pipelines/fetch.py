"""Brings a registered version to this machine: its package, its data, and the result of its training.

    python -m pipelines.fetch --spec services/churn/service.yaml --version 3 --home build/train/churn
        [--mlflow URI]                the registry; default sqlite:///build/mlflow/mlflow.db
        [--store ADDRESS]             the store that it was trained with; default build/store

Wherever the version was trained, HOME then holds what `make train` would have left: `result.json` and
`evaluation.json`, which image, sign, propose and request read. The package lies in a folder of this machine, and so
does the data, if it can be had. Exit status: 0, or 1 if the version or its package is not to be had, 2 for a bad spec.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from components.errors import ComponentError, DataError, SpecError, StoreError
from components.package.model_package import Package, read_package
from components.registry.model_registry import Registered, find_version, local_package
from components.registry.package_store import keep_data, keep_package
from components.registry.tracking import EVALUATION, recorded_text
from components.spec.reading.loading import load_spec
from components.store.content import Kind, Store
from pipelines.local import absolute_place, absolute_sqlite
from pipelines.result import Places, write_json


@dataclass(frozen=True)
class Fetched:
    """A version on this machine; `rows` is None if its data, `evaluation` if its record cannot be had."""

    registered: Registered
    package: Package
    rows: int | None
    evaluation: dict[str, Any] | None

    def result(self, places: Places) -> dict[str, Any]:
        """What a run of this machine would have left in `result.json`."""
        receipt, registered = self.package.receipt, self.registered
        return {
            "status": "ok",
            "message": "",
            "failed_step": None,
            "run": receipt.run,
            "package": str(self.package.path),
            "digest": self.package.digest,
            "model_version": registered.version,
            "run_id": registered.run_id,
            "champion": receipt.champion,
            "commit": None,
            "snapshot": {
                "digest": receipt.data,
                "rows": self.rows,
                "uri": places.store.uri(Kind.SNAPSHOT, receipt.data),
            },
            "holdout": None,
            "metrics": self._metrics,
            "breaches": [],
            "seconds": 0.0,
            "steps": {},
        }

    @property
    def _metrics(self) -> dict[str, float]:
        if self.evaluation is None:
            return dict(self.package.receipt.metrics)
        return {name: interval["value"] for name, interval in self.evaluation["metrics"].items()}


def fetch(service: str, version: str, mlflow: str, places: Places, say: Callable[[str], None]) -> Fetched:
    """Brings a version's package, and its data if it can be had, to the folder of copies.

    Raises:
        UnknownVersionError: the registry does not have the version.
        PackageError: the package is missing or was changed.
        StoreError: the store refuses.
    """
    client, registered = find_version(mlflow, service, version)
    if not places.store.holds(Kind.PACKAGE, registered.package):
        # The registry has each package, too, so a version whose store is out of reach can be brought here.
        keep_package(read_package(local_package(registered, mlflow)), places.copies)
    package = read_package(places.folder(registered.package))
    text = recorded_text(client, registered.run_id, EVALUATION)
    if text is None:
        say(f"its run {registered.run_id} has no {EVALUATION}, so only the receipt's metrics are known")
    return Fetched(registered, package, _rows(registered, places, say), json.loads(text) if text else None)


def _rows(registered: Registered, places: Places, say: Callable[[str], None]) -> int | None:
    """The rows of the data, which is copied here: replay and verify read it."""
    try:
        if not places.copies.holds(Kind.SNAPSHOT, registered.snapshot) and places.store.holds(
            Kind.SNAPSHOT, registered.snapshot
        ):
            places.copies.put(Kind.SNAPSHOT, places.store.get(Kind.SNAPSHOT, registered.snapshot))
        keep_data(registered, places.copies)
        content = places.copies.get(Kind.SNAPSHOT, registered.snapshot)
    except (DataError, StoreError) as error:
        say(f"without its data, which replay and verify would read: {error}")
        return None
    return int(pyarrow.parquet.read_metadata(pa.BufferReader(content)).num_rows)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    args = _parser().parse_args(arguments)
    try:
        service = load_spec(args.spec).name
        places = Places(Store(absolute_place(args.store)), Store(str(args.copies.resolve())))
        found = fetch(service, args.version, absolute_sqlite(args.mlflow), places, _say)
    except ComponentError as error:
        print(f"not fetched: {error}", file=sys.stderr)
        return 2 if isinstance(error, SpecError) else 1
    if found.evaluation:
        write_json(args.home / EVALUATION, found.evaluation)
    write_json(args.home / "result.json", found.result(places))
    _say(f"version {found.registered.version} of {service}: package {found.package.digest} in {found.package.path}")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.fetch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument(
        "--version",
        required=True,
        help="the registry's number, as `make ui` shows it, or an alias: challenger is the newest",
    )
    parser.add_argument("--home", type=Path, required=True, help="folder for the results")
    parser.add_argument("--mlflow", default="sqlite:///build/mlflow/mlflow.db", help="the registry (%(default)s)")
    parser.add_argument("--store", default="build/store", help="folder or URI of snapshots and packages (%(default)s)")
    parser.add_argument("--copies", type=Path, default=Path("build/store"), help="folder for copies (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
