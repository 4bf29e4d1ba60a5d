"""Asks the golden requests of a package in a process of the server's own environment, before an image gets its name."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from components.errors import ModelImageError
from components.image.contents import ROOT

_MODULE: Final = "services.model_server.check"
#: Beyond the time that the check itself gives the server to get ready.
_SECONDS: Final = 120.0
_READY_SECONDS: Final = 60.0
_LINES_SHOWN: Final = 25


def check_answers(package: Path, python: Path, root: Path = ROOT, ready_seconds: float = _READY_SECONDS) -> str:
    """Starts the server below `root`, serving a package, and returns what its check says.

    Args:
        package: the package's folder.
        python: interpreter of the server's environment, which must hold exactly what the server's lock names.
        root: folder of the server's sources.
        ready_seconds: the time in which the server must be ready. A server of an earlier tree knows no other than 60.

    Raises:
        ModelImageError: an answer is wrong, the server does not start, or its environment is not that of the lock.
    """
    command = [str(python), "-m", _MODULE, "--package", str(package.resolve())]
    if ready_seconds != _READY_SECONDS:
        command += ["--ready-seconds", str(ready_seconds)]
    seconds = ready_seconds + _SECONDS
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("CANARIO_", "BENTOML_"))}
    environment = {**settings, "PYTHONPATH": str(root), "BENTOML_DO_NOT_TRACK": "True"}
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired as error:
        raise ModelImageError(f"{package}: the server's check had no end within {seconds:g} s") from error
    except OSError as error:
        raise ModelImageError(f"{python}: cannot be run, so nothing answers the golden requests: {error}") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode:
        said = "\n".join([*lines, *done.stderr.strip().splitlines()][-_LINES_SHOWN:])
        raise ModelImageError(f"{package}: is refused by the check of the server:\n{said}")
    return lines[-1] if lines else ""
