"""The operational log: one JSON line for each event, on standard error, never with a request's inputs."""

from __future__ import annotations

import json
import sys
import time
import traceback
from typing import Any


def log_event(event: str, **fields: Any) -> None:
    """Writes one line; `fields` must not hold anything that a caller sent."""
    line = {"time": round(time.time(), 3), "event": event, **fields}
    sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()


def log_failure(event: str, error: BaseException, **fields: Any) -> None:
    """Writes an error's type and place, but not its message, which may quote an input."""
    frames = traceback.extract_tb(error.__traceback__)
    log_event(event, error=type(error).__name__, at=[f"{frame.filename}:{frame.lineno}" for frame in frames], **fields)
