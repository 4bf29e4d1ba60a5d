"""Servers as processes: started, asked, loaded, weighed and stopped."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from tests.load.bench.contestants import Contestant, Rows
from tests.load.bench.errors import BenchError
from tests.load.bench.subject import Subject

_START_SECONDS: Final = 180
_MIB: Final = 1_048_576


@dataclass(frozen=True)
class Measured:
    """One round on one server."""

    rps: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    memory_mib: float
    failed: int


class Running:
    """A contestant that is up; `start_seconds` is from its start to its first right answer."""

    def __init__(self, contestant: Contestant, subject: Subject) -> None:
        """Raises BenchError when it does not answer in time."""
        self.contestant, self._subject = contestant, subject
        self.port = _free_port()
        started = contestant.start(subject, self.port)
        name = contestant.name.replace(" ", "-")
        self._log = subject.folder / f"{name}.log"
        start = time.monotonic()
        with self._log.open("wb") as log:
            variables = {**os.environ, **started.variables}
            self._process = subprocess.Popen(started.command, env=variables, stdout=log, stderr=log)
        self._wait(start + _START_SECONDS)
        self.start_seconds = time.monotonic() - start
        self.first_mib = self._memory_mib()

    def _wait(self, deadline: float) -> None:
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.ask(self._subject.rows[:1])
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
            else:
                return
        self.stop()
        tail = self._log.read_text(errors="replace")[-2000:]
        raise BenchError(f"{self.contestant.name} does not answer; its log ends:\n{tail}")

    def ask(self, rows: Rows) -> list[float]:
        """The probabilities that it answers."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.contestant.path}",
            data=json.dumps(self.contestant.body(rows)).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return self.contestant.probabilities(json.load(answer))

    def load(self, batch: int, connections: int, seconds: float, warmup_seconds: float) -> Measured:
        """A round: requests of `batch` rows on so many connections."""
        rows = self._subject.rows
        batches = [rows[start : start + batch] for start in range(0, len(rows) - batch + 1, batch)]
        bodies = self._subject.folder / "bodies.jsonl"
        bodies.write_text("".join(json.dumps(self.contestant.body(one)) + "\n" for one in batches))
        options: dict[str, Any] = {
            "port": self.port, "path": self.contestant.path, "connections": connections, "seconds": seconds,
            "warmup": warmup_seconds,
        }  # fmt: skip
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "tests.load.bench.generator", *arguments, str(bodies)]
        cpu = self._cpu_seconds()
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        cpu = self._cpu_seconds() - cpu
        answered = max(1.0, found["requests"] * (seconds + warmup_seconds) / seconds)
        return Measured(
            found["rps"], found["p50_ms"], found["p99_ms"], 1e6 * cpu / answered, self._memory_mib(), found["failed"]
        )

    def _processes(self) -> list[psutil.Process]:
        process = psutil.Process(self._process.pid)
        return [process, *process.children(recursive=True)]

    def _cpu_seconds(self) -> float:
        return sum(times.user + times.system for times in (process.cpu_times() for process in self._processes()))

    def _memory_mib(self) -> float:
        """Proportional set size of all its processes: shared pages count once."""
        return sum(process.memory_full_info().pss for process in self._processes()) / _MIB

    def stop(self) -> None:
        """Ends its processes."""
        left = self._processes() if self._process.poll() is None else []
        for process in left:
            process.terminate()
        _, alive = psutil.wait_procs(left, 10)
        for process in alive:
            process.kill()
        self._process.wait(10)


def _free_port() -> int:
    """A port with two free ones after it, which MLServer needs."""
    while True:
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
        if port < 65_500 and all(_is_free(port + step) for step in (0, 1, 2)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def free_space(folder: Path) -> None:
    """Removes what a run left, such as prediction logs."""
    for path in folder.rglob("predictions-*.jsonl"):
        path.unlink()
