"""Programs and callers round `tiny_version.py`, and a way to wait without sleeping."""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from components.releases.release_file import Release
from k8s.twin.processes import Program
from tests.patience import patient, patient_deadline

_SCRIPT = str(Path(__file__).with_name("tiny_version.py"))
_T = TypeVar("_T")

SPEC = """
name: tiny
data: {{uri: table.csv, target: left, positive: "Yes"}}
features: {{tenure: {{type: number, min: 0, max: 120}}}}
rollout:
  step_weight: 20
  max_weight: 40
  interval_seconds: 0.5
  deadline_minutes: {deadline_minutes}
  harm: {{error_ratio: 0.1, slow_ratio: null, score_shift: null, label_loss: null}}
"""


def wait_for(found: Callable[[], _T], seconds: float = 20) -> _T:
    """What `found` returns as soon as it is true; fails after so many seconds of a quiet machine."""
    deadline = patient_deadline(seconds)
    while not (value := found()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return value


def release(version: str, **settings: str) -> Release:
    return Release(service="tiny", version=version, package=f"sha256:{int(version):064d}", settings=settings)


def tiny_program(home: Path, port: int, version: str = "1", **environment: str) -> Program:
    return Program(
        name=f"tiny v{version}",
        command=(sys.executable, "-S", _SCRIPT, str(port)),
        log=home / f"v{version}.log",
        ready_url=f"http://127.0.0.1:{port}/readyz",
        environment={**os.environ, "CANARIO_SERVICE": "tiny", "CANARIO_VERSION": version, **environment},
        grace_seconds=patient(5),
        ready_seconds=patient(10),
    )


def tiny_programs(home: Path, **environment: str) -> Callable[[Release, int, tuple[str, ...]], Program]:
    """How a release of `tiny` is served."""

    def program_for(wanted: Release, port: int, peers: tuple[str, ...]) -> Program:
        settings = {**environment, **wanted.settings, "CANARIO_PEERS": ",".join(peers)}
        return tiny_program(home, port, wanted.version, **settings)

    return program_for


class Traffic:
    """Counts (version, status) of what callers got; anything but an answer is counted under its error."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, object]] = Counter()

    @property
    def failed(self) -> dict[tuple[str, object], int]:
        return {key: count for key, count in self.counts.items() if key[1] != 200}


@contextmanager
def traffic(url: str, callers: int = 4, pause_seconds: float = 0.005) -> Iterator[Traffic]:
    """Callers that keep asking for predictions while the block runs."""
    seen, stop, lock = Traffic(), threading.Event(), threading.Lock()

    def call() -> None:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=patient(10))
        while not stop.wait(pause_seconds):
            key = ask(connection)
            with lock:
                seen.counts[key] += 1
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def ask(connection: http.client.HTTPConnection) -> tuple[str, object]:
    """The version and status of one answer."""
    try:
        connection.request("POST", "/predict", json.dumps({"tenure": 30}), {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return "none", repr(error)
    return answer.headers.get("x-canario-version", "none"), answer.status
