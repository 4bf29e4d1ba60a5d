"""Checks an image from inside: `python -m services.model_server.check`.

Starts the image's own server, waits until it is ready, asks the golden requests over
HTTP, and looks for packages that only training needs.
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
#: Packages that only training needs, by their import names.
FOR_TRAINING: Final = ("keras", "kfp", "lightgbm", "mlflow", "optuna", "pandas", "scipy", "sklearn", "tensorflow")
_READY_SECONDS: Final = 60.0


def main() -> int:
    """Runs the check: prints one line and returns 0, or prints the problems and returns 1."""
    package = read_package(_BENTO / "src" / "package")
    training = [name for name in FOR_TRAINING if importlib.util.find_spec(name)]
    problems = [f"{name} is there, and only training needs it" for name in training]
    if os.getuid() == 0:
        problems.append("it runs as root")
    port = _free_port()
    with subprocess.Popen(["bentoml", "serve", str(_BENTO), "--port", str(port), "--host", "127.0.0.1"]) as server:
        try:
            problems += _wait_ready(server, port) or _golden_mismatches(package, port)
        finally:
            server.send_signal(signal.SIGTERM)
    good = f"{len(package.golden)} golden requests answered right by {package.digest}"
    print("\n".join(problems) or good, flush=True)
    return 1 if problems else 0


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
