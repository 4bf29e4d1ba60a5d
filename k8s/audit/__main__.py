"""`make audit`: writes the dossier of a registered version, or checks an existing dossier.

    python -m k8s.audit --service churn --version 2 [--build build/demo] [--mlflow URI] [--repository R] [--check]

Writes `<build>/audit/churn-2.html`, and beside it the folder `churn-2` with every record and `index.json`.
Exits 0 when the dossier is written, or holds; 1 when a record is not available, or anything was changed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from components.code import ROOT
from components.digest import sha256
from components.registry.provenance import commit
from k8s.audit.collect import RecordSources, gather
from k8s.audit.dossier import Dossier, check_dossier, index_of, write_dossier
from k8s.audit.errors import AuditError
from k8s.audit.page import page


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    args = _parser().parse_args(arguments)
    folder = args.build.resolve() / "audit" / f"{args.service}-{args.version}"
    try:
        return _check(folder) if args.check else _write(args, folder)
    except AuditError as error:
        print(f"{'does not hold' if args.check else 'not written'}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; an older dossier stays as it was", file=sys.stderr)
        return 130


def _check(folder: Path) -> int:
    dossier = check_dossier(folder, page)
    print(f"{_named(dossier, folder)} holds: {len(dossier.records)} records, every byte and every sentence")
    return 0


def _write(args: argparse.Namespace, folder: Path) -> int:
    build = args.build.resolve()
    own = build / "environment.git"
    places = RecordSources(
        build=build,
        mlflow=args.mlflow or f"sqlite:///{build / 'mlflow' / 'mlflow.db'}",
        repository=args.repository or (own if own.is_dir() else ROOT),
        events=args.events or build / "twin" / "events.jsonl",
    )
    written = write_dossier(
        folder, lambda draft: gather(args.service, str(args.version), places, draft), page, time.time(), commit()
    )
    print(f"{_named(check_dossier(folder, page), folder)} is written: {written}")
    return 0


def _named(dossier: Dossier, folder: Path) -> str:
    """A phrase that names the dossier by the digest of its index, which covers everything in it."""
    return f"dossier {sha256(index_of(folder).read_bytes())} of {dossier.service} version {dossier.version}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m k8s.audit", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--service", required=True)
    parser.add_argument("--version", required=True, type=int, help="the registry's number, as `make ui` shows it")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="folder of records; build/demo for a demo")
    parser.add_argument("--mlflow", help="the registry's URI; by default the one among the records")
    parser.add_argument("--repository", type=Path, help="the environment repository; by default the records' own")
    parser.add_argument("--events", type=Path, help="a twin's events.jsonl; by default the one among the records")
    parser.add_argument("--check", action="store_true", help="check an existing dossier, byte by byte")
    return parser


if __name__ == "__main__":
    sys.exit(main())
