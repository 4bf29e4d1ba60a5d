"""Live traffic for the demo: a locust process that runs until the demo ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from components.errors import ComponentError
from k8s.twin.processes import log_end
from k8s.twin.summary import RequestCount

_ROOT = Path(__file__).resolve().parents[3]
_LAST_ANSWERS_SECONDS = 20.0

#: Requests per second of all callers together; a small machine trains at the same time.
RATE = 300
CALLERS = 16


class TrafficError(ComponentError):
    """The load ended before it was told to."""


class Traffic:
    """Callers that send `rows` to the gateway; `with` starts and stops them."""

    def __init__(self, url: str, spec: Path, rows: Path, home: Path) -> None:
        self._folder = home / "record" / "traffic"
        self._log = home / "record" / "locust.log"
        self._command = [
            sys.executable, "-m", "locust", "-f", str(_ROOT / "tests" / "load" / "locustfile.py"),
            "--headless", "--only-summary", "--host", url, "--users", str(CALLERS), "--spawn-rate", "100",
            "--spec", str(spec), "--table", str(rows), "--out", str(self._folder), "--rate", str(RATE),
            "--feedback-share", "1", "--batch-share", "0.01",
        ]  # fmt: skip
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Traffic:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._running = subprocess.Popen(
                self._command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stops the load after the answers in flight.

        Raises:
            TrafficError: the load had already ended, so the callers' results are incomplete.
        """
        running = self._running
        if running is None:
            return
        ended = running.poll()
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(_LAST_ANSWERS_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        if kind is None and ended is not None:
            raise TrafficError(f"the load ended with {ended} before it was asked to:\n{log_end(self._log)}")

    def requests(self) -> dict[str, RequestCount]:
        """Requests by version; while the load runs, the last second may be missing."""
        try:
            document: dict[str, Any] = json.loads((self._folder / "totals.json").read_text(encoding="utf-8"))
        except OSError:
            return {}
        return {name: RequestCount(**count) for name, count in document["versions"].items()}
