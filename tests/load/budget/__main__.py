"""Puts load on a service and holds it to `budget.yaml`: `python -m tests.load.budget --spec FILE [--url URL]`."""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from components.errors import ComponentError
from components.spec.contract import ClosedModel
from components.spec.reading.loading import load_spec
from components.spec.reading.strict_yaml import load_yaml

_HERE = Path(__file__).parent
_START_SECONDS = 150
_URL = re.compile(r"answers at (http://\S+)")


class Limits(ClosedModel):
    """The largest values that are allowed, and the smallest throughput; warm-up left out."""

    p50_ms: float = Field(gt=0)
    p95_ms: float = Field(gt=0)
    p99_ms: float = Field(gt=0)
    failed_ratio: float = Field(ge=0, lt=1)
    min_requests_per_second: float = Field(gt=0)


class Budget(ClosedModel):
    """`budget.yaml`."""

    seconds: int = Field(gt=0, description="How long is measured, after the warm-up.")
    warm_up_seconds: int = Field(ge=0)
    rate: float = Field(gt=0, description="Requests a second.")
    callers: int = Field(ge=1)
    limits: Limits


class LoadError(Exception):
    """The load could not be put on; the message says why."""


@dataclass(frozen=True)
class Line:
    """One limit, what was measured (None: nothing) and whether that is kept."""

    name: str
    measured: float | None
    limit: float
    kept: bool


def main(arguments: list[str] | None = None) -> int:
    """0 when every limit is kept, 1 when one is not, 2 when nothing could be measured."""
    given = _parse(arguments)
    try:
        budget, spec = read_budget(given.budget), load_spec(given.spec)
        out = given.out or _HERE.parents[2] / "build" / "load" / spec.name
        with contextlib.nullcontext(given.url) if given.url else _served(given.spec) as url:
            totals = put_load(url, given.spec, budget, out, given.ca)
    except (LoadError, ComponentError) as error:
        print(error, file=sys.stderr)
        return 2
    lines = compare(totals, budget.limits)
    print(table(lines))
    for fault in totals["faults"][:5]:
        print(f"  {fault}")
    return 0 if all(line.kept for line in lines) else 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.budget", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--url", help="a service that runs; by default its newest package is served")
    parser.add_argument("--ca", type=Path, help="PEM file with the authority of that service's certificate")
    parser.add_argument("--budget", type=Path, default=_HERE / "budget.yaml")
    parser.add_argument("--out", type=Path, help="folder for the counts; by default build/load/<service>")
    return parser.parse_args(arguments)


def read_budget(path: Path) -> Budget:
    """The budget in a file.

    Raises:
        LoadError: it cannot be used.
    """
    try:
        return Budget.model_validate(load_yaml(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise LoadError(f"{path}: {error}") from error


@contextlib.contextmanager
def _served(spec: Path) -> Iterator[str]:
    """The service's newest package behind the gateway, for as long as the block runs."""
    command = [sys.executable, "-m", "k8s.twin.serve", "--spec", str(spec)]
    with tempfile.TemporaryFile() as faults:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=faults, text=True)
        try:
            yield _url_of(process, faults)
        finally:
            process.terminate()
            process.wait()
            if process.stdout:
                process.stdout.close()


def _url_of(process: subprocess.Popen[str], faults: Any) -> str:
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    with contextlib.suppress(queue.Empty):
        while line := lines.get(timeout=_START_SECONDS):
            if found := _URL.search(line):
                return found[1]
    faults.seek(0)
    raise LoadError(faults.read().decode(errors="replace").strip() or "the service did not start")


def put_load(url: str, spec: Path, budget: Budget, out: Path, authority: Path | None = None) -> dict[str, Any]:
    """Sends the budget's load to a URL; what `tally.py` counted.

    Raises:
        LoadError: Locust did not do its work.
    """
    totals = out / "totals.json"
    totals.unlink(missing_ok=True)
    seconds = budget.warm_up_seconds + budget.seconds
    command = [
        sys.executable, "-m", "locust", "-f", str(_HERE.parent / "locustfile.py"), "--headless", "--only-summary",
        "--host", url, "--users", str(budget.callers + 1), "--spawn-rate", "1000", "--run-time", f"{seconds}s",
        "--spec", str(spec), "--out", str(out), "--rate", str(budget.rate),
        "--warm-up-seconds", str(budget.warm_up_seconds), "--loglevel", "WARNING", "--exit-code-on-error", "0",
        *(["--ca", str(authority)] if authority else []),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not totals.exists():
        raise LoadError(f"locust ended with {done.returncode}:\n{done.stderr.strip()[-2000:]}")
    counted: dict[str, Any] = json.loads(totals.read_text(encoding="utf-8"))
    return counted


def compare(totals: dict[str, Any], limits: Limits) -> list[Line]:
    """Each limit beside what was measured; what was not measured keeps no limit."""
    measured = totals["measured"]
    lines = [_at_most(name, measured[name], getattr(limits, name)) for name in ("p50_ms", "p95_ms", "p99_ms")]
    failed_ratio = measured["failed"] / measured["sent"] if measured["sent"] else None
    lines.append(_at_most("failed_ratio", failed_ratio, limits.failed_ratio))
    rate = measured["requests"] / measured["seconds"] if measured["seconds"] else 0.0
    least = limits.min_requests_per_second
    return [*lines, Line("requests_per_second", rate, least, rate >= least)]


def _at_most(name: str, measured: float | None, limit: float) -> Line:
    return Line(name, measured, limit, measured is not None and measured <= limit)


def table(lines: list[Line]) -> str:
    """The lines for people."""
    head = f"{'':22}{'measured':>12}{'limit':>12}"
    return "\n".join([head, *(_row(line) for line in lines)])


def _row(line: Line) -> str:
    measured = "nothing" if line.measured is None else f"{line.measured:.4g}"
    sign = ">=" if line.name == "requests_per_second" else "<="
    return f"{line.name:22}{measured:>12}{f'{sign} {line.limit:g}':>12}  {'ok' if line.kept else 'BROKEN'}"


if __name__ == "__main__":
    sys.exit(main())
