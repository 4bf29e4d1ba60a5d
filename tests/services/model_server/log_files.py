"""The files of a prediction log."""

from __future__ import annotations

import threading
from pathlib import Path

from services.model_server.prediction_log import WRITE_INTERVAL


def wait_for_lines(folder: Path, name: str, count: int) -> None:
    """Returns once the files of a log have so many lines; fails after ten seconds."""
    pause = threading.Event()
    for _ in range(int(10 / WRITE_INTERVAL)):
        if sum(len(path.read_bytes().splitlines()) for path in folder.glob(f"{name}-*")) >= count:
            return
        pause.wait(WRITE_INTERVAL)
    raise AssertionError(f"{folder} has no {count} lines of {name}")
