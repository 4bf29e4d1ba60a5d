"""Keeps real processes running as a kubelet keeps containers: probes, restarts with back-off, ends whole trees."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from k8s.twin import loopback
from k8s.twin.errors import ProcessError

_ROOT = Path(__file__).resolve().parents[2]
_REAPER = (sys.executable, "-S", str(Path(__file__).with_name("supervise.py")))
_LOG_LINES_SHOWN = 15
#: After running this long a process counts as healthy again: its next restart does not wait.
_WELL_AFTER_SECONDS = 60.0

#: Called with the process's name and exit code each time it ends by itself.
DeathNotice = Callable[[str, int], None]


@dataclass(frozen=True)
class Program:
    """A command to run. It is ready when `ready_url` answers 200; without an `environment` it gets ours."""

    name: str
    command: tuple[str, ...]
    log: Path
    ready_url: str
    environment: Mapping[str, str] | None = None
    folder: Path = _ROOT
    grace_seconds: float = 15.0
    ready_seconds: float = 60.0


class Process:
    """One program, restarted whenever it ends by itself, until it is stopped.

    The program runs under `supervise.py`, so that its whole process tree ends with it or with us.
    """

    def __init__(self, program: Program, on_death: DeathNotice = lambda _name, _code: None) -> None:
        self.program = program
        self.restarts = 0
        self._on_death = on_death
        self._running: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name=f"watch-{program.name}", daemon=True)

    def start(self) -> None:
        """Starts the program and watches it; returns at once.

        Raises:
            ProcessError: its log cannot be written.
        """
        self._spawn()
        self._watcher.start()

    @property
    def pid(self) -> int | None:
        """The process at the root of the program's tree; None before the start."""
        return None if self._running is None else self._running.pid

    @property
    def ready(self) -> bool:
        """True while the program answers its probe."""
        answer = loopback.get(self.program.ready_url)
        return answer is not None and answer.ok

    def wait_ready(self, max_restarts: int = 2, stop: threading.Event | None = None) -> None:
        """Returns as soon as the program answers its probe.

        Raises:
            ProcessError: no answer within `ready_seconds`, more than `max_restarts` restarts, or `stop` is set.
        """
        deadline = time.monotonic() + self.program.ready_seconds
        while not self.ready:
            if self.restarts > max_restarts:
                raise self._error(f"ended {self.restarts} times before it was ready")
            if time.monotonic() > deadline:
                raise self._error(f"was not ready after {self.program.ready_seconds:g} s")
            if self._stopping.is_set() or (stop is not None and stop.wait(0.05)):
                raise self._error("was stopped before it was ready")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends the program's whole tree: SIGTERM, then SIGKILL after its grace period. Safe to repeat."""
        self._stopping.set()
        if self._watcher.is_alive() and self._watcher is not threading.current_thread():
            self._watcher.join()
        running = self._running  # after the join: the watcher may just have restarted the program
        if running is None:
            return
        running.terminate()
        try:
            # supervise.py kills the tree at the end of the grace period; the extra seconds are for that.
            running.wait(self.program.grace_seconds + 10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()

    def _spawn(self) -> None:
        program = self.program
        supervised = (*_REAPER, f"--grace={program.grace_seconds}", f"--parent={os.getpid()}", "--", *program.command)
        try:
            program.log.parent.mkdir(parents=True, exist_ok=True)
            with program.log.open("ab") as log:
                self._running = subprocess.Popen(
                    supervised,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=program.folder,
                    env=program.environment,
                    process_group=0,
                )
        except OSError as error:
            raise ProcessError(f"{program.name} cannot be started: {error}") from error

    def _watch(self) -> None:
        """Restarts the program after 0, 1, 2, 4 ... at most 10 seconds; a kubelet does the same with longer pauses."""
        quick = 0
        started = time.monotonic()
        while not self._stopping.wait(0.05):
            if self._running is None or (code := self._running.poll()) is None:
                continue
            quick = 0 if time.monotonic() - started > _WELL_AFTER_SECONDS else quick + 1
            self.restarts += 1
            self._on_death(self.program.name, code)
            if self._stopping.wait(0 if quick <= 1 else min(2.0 ** (quick - 2), 10.0)):
                return
            self._spawn()
            started = time.monotonic()

    def _error(self, what: str) -> ProcessError:
        return ProcessError(
            f"{self.program.name} {what}; its log {self.program.log} ends:\n{log_end(self.program.log)}"
        )


def log_end(path: Path, lines: int = _LOG_LINES_SHOWN) -> str:
    """The last lines of a log, or a note that it is empty."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return "\n".join(text.splitlines()[-lines:]) or "(nothing was written)"
