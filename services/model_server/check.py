"""Checks this server from inside its environment: `python -m services.model_server.check --package FOLDER`.

Compares the installed libraries with the lock, starts the server beside this file, waits until it is ready and asks
the package's golden requests over HTTP. Without a package only the environment is checked, as in the server's image.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from components.package.answers import furthest, outputs_in
from components.package.model_package import Package, read_package

_ROOT: Final = Path(__file__).resolve().parents[2]
_LOCK: Final = Path(__file__).with_name("requirements.txt")
_SERVICE: Final = "services.model_server.service:ModelServer"
_READY_SECONDS: Final = 60.0
_PROBLEMS_SHOWN: Final = 5


def main() -> int:
    """Runs the check: prints one line and returns 0, or prints the problems and returns 1."""
    parser = argparse.ArgumentParser(prog="python -m services.model_server.check", description=__doc__)
    parser.add_argument("--package", type=Path, help="folder of the package to ask; by default none is asked")
    parser.add_argument(
        "--ready-seconds", type=float, default=_READY_SECONDS, help="time to get ready (default %(default)g)"
    )
    parser.add_argument("--image", action="store_true", help="this is a container of the server's image")
    args = parser.parse_args()
    problems = environment_problems()
    if args.image and os.getuid() == 0:
        problems.append("it runs as root")
    good = f"{len(locked())} libraries are installed as locked"
    if args.package and not problems:
        package = read_package(args.package)
        problems = _asked(package, args.ready_seconds)
        good = f"{len(package.golden)} golden requests answered right by {package.digest}"
    print("\n".join(problems) or good, flush=True)
    return 1 if problems else 0


def locked(lock: Path = _LOCK) -> dict[str, str]:
    """The version of each library that the lock names."""
    pins = re.findall(r"^([\w.-]+)(?:\[[\w,.-]+\])?==([^\s;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {_canonical(name): version for name, version in pins}


def environment_problems(lock: Path = _LOCK) -> list[str]:
    """How the installed libraries differ from the lock; one that training needs is a difference like any other."""
    wanted = locked(lock)
    found = {_canonical(one.metadata["Name"]): one.version for one in distributions()}
    problems = [
        f"{name} is installed as {found.get(name, 'nothing')}, and the lock says {wanted.get(name, 'nothing')}"
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    ]
    more = len(problems) - _PROBLEMS_SHOWN
    return [*problems[:_PROBLEMS_SHOWN], f"and {more} more"] if more > 0 else problems


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _asked(package: Package, ready_seconds: float) -> list[str]:
    """Serves the package as in an image and asks its golden requests; the problems."""
    port = _free_port()
    command = [sys.executable, "-m", "bentoml", "serve", _SERVICE, "--working-dir", str(_ROOT)]
    with tempfile.TemporaryDirectory(prefix="canario-check-") as home:
        environment = {
            **os.environ,
            "BENTOML_HOME": home,
            "CANARIO_PACKAGE": str(package.path.resolve()),
            "CANARIO_DIE_WITH_PARENT": "true",
            "CANARIO_DRAIN_SECONDS": "0",
        }
        with subprocess.Popen(
            [*command, "--port", str(port), "--host", "127.0.0.1"], cwd=home, env=environment
        ) as server:
            try:
                return _wait_ready(server, port, ready_seconds) or _golden_mismatches(package, port)
            finally:
                server.send_signal(signal.SIGTERM)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_ready(server: subprocess.Popen[bytes], port: int, seconds: float) -> list[str]:
    deadline = time.monotonic() + seconds
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
    return [f"the server was not ready after {seconds:g} s; it said: {said}"]


def _golden_mismatches(package: Package, port: int) -> list[str]:
    for line, golden in enumerate(package.golden, 1):
        status, body = _ask(port, "POST", "/predict", json.dumps(golden.request))
        expected = golden.answer.model_dump()
        if status != 200 or not _agree(expected, json.loads(body), package.contract.tolerance):
            return [f"golden request {line} is answered {status} {body}, expected {json.dumps(expected)}"]
    return []


def _agree(expected: dict[str, Any], answered: dict[str, Any], tolerance: float) -> bool:
    try:
        return furthest(outputs_in(expected), outputs_in(answered)) <= tolerance
    except (KeyError, TypeError, ValueError):
        return False


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
