"""Servers as processes: bentos served by BentoML from the locked server environment."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from services.model_server.build import build_bento, serve_command, serve_environment
from tests.patience import patient, patient_deadline
from tests.shared import made_once
from tests.small_package import GOOD, write_small_package

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 100.0
SERVER_PYTHON = ROOT / ".venv-server/bin/python"
#: Each request has a connection of its own, so that any worker may answer. `httpx.get` reads every certificate of the
#: machine first, which takes more of the processor than a whole request.
HTTP = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), timeout=patient(5))


def small_bento(factory: pytest.TempPathFactory) -> Path:
    """The bento of the small package, alone in the folder that `build_bento` was given."""

    def build(folder: Path) -> None:
        bento = build_bento(write_small_package(folder / "package").path, folder / "out")
        (folder / "bento").symlink_to(bento)

    return (made_once(factory, "small-bento", build) / "bento").resolve()


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """What the condition says once it is true; it may fail until then. The seconds are those of a quiet machine."""
    pause = threading.Event()
    deadline = patient_deadline(seconds)
    while True:
        try:
            found = condition()
        except (httpx.HTTPError, psutil.NoSuchProcess):
            found = None
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come to pass within {patient(seconds):g} s")
        pause.wait(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Served:
    process: subprocess.Popen[bytes]
    url: str
    log: Path
    start_cpu_seconds: float = 0.0

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def predict(self, document: Any = None, **headers: str) -> httpx.Response:
        return HTTP.post(f"{self.url}/predict", json=GOOD if document is None else document, headers=headers)

    def metric(self, name: str) -> float:
        text = HTTP.get(f"{self.url}/metrics").text
        return sum(float(value) for value in re.findall(rf"^{name}\{{.*\}} (\S+)$", text, re.MULTILINE))

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(patient(30))


def start(bento: Path, home: Path, workers: int, settings: dict[str, str]) -> Served:
    """A server that is ready; `settings` are named as in `Settings`."""
    port = free_port()
    command = serve_command(bento, port, server_python=SERVER_PYTHON)
    names = {f"CANARIO_{name.upper()}": value for name, value in {"drain_seconds": "0", **settings}.items()}
    environment = serve_environment(home, names, workers)
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
    served = Served(process, f"http://127.0.0.1:{port}", home / "log")
    _wait_ready(served)
    times = [process.cpu_times() for process in (psutil.Process(process.pid), *served.workers())]
    served.start_cpu_seconds = sum(time.user + time.system for time in times)
    return served


def _wait_ready(served: Served) -> None:
    """Returns when the server is ready; one that ended says why at once, and one that is not ready in time is ended.

    The limit is just below the one of the whole test: on a busy machine a start takes many times as long.
    """

    def is_ready() -> bool:
        return served.process.poll() is not None or HTTP.get(f"{served.url}/readyz").status_code == 200

    try:
        wait_for(is_ready, seconds=START_SECONDS)
    except AssertionError:
        served.process.kill()
        served.process.wait()
        raise
    assert served.process.poll() is None, served.log.read_text()


StartServed = Callable[..., Served]
