"""Proves an image from inside: `python -m services.model_server.check`.

Starts the image's own server, waits until it says that its golden requests are
answered right, asks them again over HTTP, and looks for what only trains.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from components.package.model_package import TOLERANCE, Package, read_package

_BENTO: Final = Path(__file__).resolve().parents[3]
#: What training needs, by the names that Python imports.
FOR_TRAINING: Final = ("keras", "kfp", "lightgbm", "mlflow", "optuna", "pandas", "scipy", "sklearn", "tensorflow")
_READY_SECONDS: Final = 60.0


def main() -> int:
    """The command line: 0 and one line of what was proven, or 1 and what is wrong."""
    package = read_package(_BENTO / "src" / "package")
    faults = [f"{name} is there, and only training needs it" for name in FOR_TRAINING if importlib.util.find_spec(name)]
    if os.getuid() == 0:
        faults.append("it runs as root")
    port = _free_port()
    with subprocess.Popen(["bentoml", "serve", str(_BENTO), "--port", str(port), "--host", "127.0.0.1"]) as server:
        try:
            faults += _wait_ready(server, port) or _golden_mismatches(package, port)
        finally:
            server.send_signal(signal.SIGTERM)
    print("\n".join(faults) or f"{len(package.golden)} golden requests answered right by {package.digest}", flush=True)
    return 1 if faults else 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_ready(server: subprocess.Popen[bytes], port: int) -> list[str]:
    deadline = time.monotonic() + _READY_SECONDS
    said = "nothing"
    while time.monotonic() < deadline:
        if server.poll() is not None:
            return [f"the server ended with {server.returncode} before it was ready"]
        try:
            status, said = _ask(port, "GET", "/readyz")
        except OSError:
            status = 0
        if status == 200:
            return []
        if " is answered " in said:
            return [said]
        time.sleep(0.05)
    return [f"the server was not ready after {_READY_SECONDS:g} s; it said: {said}"]


def _golden_mismatches(package: Package, port: int) -> list[str]:
    for line, golden in enumerate(package.golden, 1):
        status, body = _ask(port, "POST", "/predict", json.dumps(golden.request))
        expected = golden.answer.probability
        answered = json.loads(body).get("probability") if status == 200 else None
        if answered is None or abs(answered - expected) > TOLERANCE:
            return [f"golden request {line} is answered {status} {body}, expected {expected:.7g}"]
    return []


def _ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
