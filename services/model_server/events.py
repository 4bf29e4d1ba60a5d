"""The operational log: one JSON line an event on standard error, never an input of a request."""

from __future__ import annotations

import json
import sys
import time
import traceback
from typing import Any


def log_event(event: str, **fields: Any) -> None:
    """Writes one line; `fields` must hold nothing that a caller sent."""
    line = {"time": round(time.time(), 3), "event": event, **fields}
    sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()


def log_failure(event: str, error: BaseException, **fields: Any) -> None:
    """Writes where an error came from; not its message, which may quote an input."""
    frames = traceback.extract_tb(error.__traceback__)
    log_event(event, error=type(error).__name__, at=[f"{frame.filename}:{frame.lineno}" for frame in frames], **fields)
