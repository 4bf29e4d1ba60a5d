"""`make demo`: the whole way on one machine, from a table to one canary promoted and a bad one rolled back.

    python -m k8s.twin.demo --spec services/churn/service.yaml [--fault wrong-unit] [--home build/demo]

Exits 0 if the demo went as it should and no request failed, else 1; 2 for a bad spec or table,
130 for Ctrl-C. Run it under `k8s.twin.supervise`, which leaves no process behind.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

import filelock
from rich.console import Console

from components.errors import ComponentError
from components.spec.reading.loading import load_spec
from k8s.twin.demo.faults import FAULTS
from k8s.twin.demo.story import Demo
from k8s.twin.demo.terminal import Terminal
from k8s.twin.errors import TwinError
from k8s.twin.report import write_report
from k8s.twin.summary import faults_found, write_summary
from services.judge.errors import JudgeError


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        return run(options.spec, options.fault, options.home.resolve())
    except KeyboardInterrupt:
        print("\nstopped; nothing is left running", file=sys.stderr)
        return 130
    except (ComponentError, TwinError, JudgeError) as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make demo", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spec", type=Path, default=Path("services/churn/service.yaml"))
    parser.add_argument("--fault", choices=FAULTS, default="wrong-unit", help="what is wrong with version 3")
    parser.add_argument("--home", type=Path, default=Path("build/demo"), help="folder for everything (%(default)s)")
    return parser


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def run(spec_path: Path, fault: str, home: Path) -> int:
    """Runs the demo in the folder `home`, which it empties first; returns the exit status.

    Raises:
        ComponentError: the spec is wrong, or another demo uses the folder.
    """
    spec = load_spec(spec_path)
    lock = filelock.FileLock(home.with_name(f".{home.name}.lock"))
    home.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise ComponentError(f"{home}: another demo is running there; wait for it or use another clone") from None
    with lock:
        shutil.rmtree(home, ignore_errors=True)
        (home / "record").mkdir(parents=True)
        (home / "record" / "clock.json").write_text(json.dumps({"started": time.time()}), encoding="utf-8")
        terminal = Terminal(Console(soft_wrap=True))
        story = Demo(spec, fault, home, terminal).run()  # type: ignore[arg-type]  # one of FAULTS
        write_summary(story, home / "summary.json")
        terminal.summary(story, str(write_report(home)))
        return 1 if faults_found(story) else 0


if __name__ == "__main__":
    sys.exit(main())
