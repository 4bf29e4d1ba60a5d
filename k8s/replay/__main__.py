"""`make replay`: rebuilds a registered version from its receipt, and sends its golden requests to both models.

    python -m k8s.replay --service churn --version 2 [--build build/demo] [--mlflow URI]

Exits 0 when the package is equal to the last byte, or when it answers within the recorded tolerance and the cause
of the difference is known; else, or when a material that the receipt names is missing, 1; 130 for Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from components.code import ROOT
from components.errors import ComponentError, GitError
from components.files import write_atomically
from components.store.content import Store
from k8s.replay.alone import isolation
from k8s.replay.comparison import Answers, RebuildComparison, answers, compare
from k8s.replay.errors import ReplayError
from k8s.replay.libraries import interpreter_for
from k8s.replay.materials import Materials, StoredFile, find_kept, gather
from k8s.replay.rebuild import checked_out, rebuild


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    args = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        return _replay(args.service, str(args.version), args.build.resolve(), args.mlflow, args.code)
    except (ComponentError, GitError, ReplayError) as error:
        print(f"not replayed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; nothing is left behind", file=sys.stderr)
        return 130


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _replay(service: str, version: str, build: Path, mlflow: str | None, code: Path) -> int:
    registry = mlflow or f"sqlite:///{build / 'mlflow' / 'mlflow.db'}"
    kept, client = find_kept(registry, service, version, Store(str(build / "store")))
    _tell("package", kept.package.digest)
    _tell("data", kept.package.receipt.data)
    _check_kept(answers(kept.package, kept.package))
    found = gather(kept, client, code)
    _tell("code", found.kept.package.receipt.code)
    compared = _rebuilt(found, code)
    written = _write(build / "replay" / f"{service}-{version}.json", kept, compared)
    return _conclude(service, version, compared, written)


def _check_kept(now: Answers) -> None:
    if not now.agree:
        raise ReplayError(
            f"the kept model itself answers otherwise than was recorded ({now.says}); onnxruntime here is another than "
            "the one that packaged it, or the package was made wrong"
        )
    _tell("kept", now.says)


def _rebuilt(found: Materials, code: Path) -> RebuildComparison:
    with tempfile.TemporaryDirectory(prefix="canario-replay-") as folder:
        scratch = Path(folder)
        python, libraries = interpreter_for(found.lock.content, scratch)
        _tell("lock", libraries)
        alone = isolation()
        _tell("network", alone.says)
        with checked_out(code, found.kept.package.receipt.code, scratch / "tree") as tree:
            made = rebuild(found, tree, python, alone, scratch)
            return compare(found.kept.package, made.package, found.machine, made.machine)


def _write(path: Path, kept: StoredFile, compared: RebuildComparison) -> Path:
    """Writes the record of a replay, to which a dossier links; returns its path."""
    record = {
        "service": kept.registered.name,
        "version": kept.registered.version,
        "at": round(time.time(), 3),
        "package": kept.package.digest,
        "rebuilt": compared.digest,
        "verdict": compared.verdict,
        "different": compared.different,
        "causes": compared.causes,
        "furthest": compared.rebuilt.furthest,
        "tolerance": compared.rebuilt.tolerance,
    }
    return write_atomically(path, json.dumps(record, indent=2) + "\n")


def _conclude(service: str, version: str, compared: RebuildComparison, written: Path) -> int:
    _tell("rebuilt", compared.rebuilt.says)
    what = f"version {version} of {service}"
    if compared.verdict == "equal":
        print(f"{what} was made again to the last byte: {compared.digest} ({written})")
        return 0
    print(f"{what} was made again as {compared.digest}; different: {', '.join(compared.different)}")
    causes = "; ".join(compared.causes) or "no cause that may excuse it was recorded"
    print(f"because of: {causes}")
    within = compared.verdict == "within tolerance"
    print(f"{'its answers are within the tolerance' if within else 'REFUSED'} ({written})")
    return 0 if within else 1


def _tell(name: str, says: str) -> None:
    print(f"{name:<9} {says}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m k8s.replay", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--service", required=True)
    parser.add_argument("--version", required=True, type=int, help="the registry's number, as `make ui` shows it")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="folder of records; build/demo for a demo")
    parser.add_argument("--mlflow", help="the registry's URI; by default the one among the records")
    parser.add_argument("--code", type=Path, default=ROOT, help="the Git repository that has the version's commit")
    return parser


if __name__ == "__main__":
    sys.exit(main())
