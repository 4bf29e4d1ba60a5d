"""The record of the twin's actions and their reasons: one JSON line per event, and a live listener."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal[
    "commit",  # a new release was seen in the environment repository
    "refused",  # a release was seen but cannot be used; nothing changes
    "starting",  # a version's process is started
    "phase",  # the rollout entered another of Flagger's phases
    "weight",  # the gateway now routes by a new weight
    "decision",  # the judge answered; the rollout acts on the answer
    "died",  # a process ended by itself; it is started again
    "reverted",  # the commit of a failed release was reverted
    "ended",  # a version's rollout is over and its consequences are done; the phase says how it ended
    "error",  # something went wrong; the twin tries again
]


@dataclass(frozen=True)
class Event:
    """One event. `at` is in seconds since 1970; `weight` is the canary's percentage of traffic."""

    at: float
    kind: Kind
    version: str = ""
    weight: int = 0
    phase: str = ""
    verdict: str = ""
    reason: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)


Listener = Callable[[Event], None]


class Events:
    """Writes each event to a file, then tells the listener; safe to use from several threads."""

    def __init__(self, path: Path, listener: Listener = lambda _event: None) -> None:
        self._path = path
        self._listener = listener
        self._seen: list[Event] = []
        self._changed = threading.Condition()
        path.parent.mkdir(parents=True, exist_ok=True)

    def emit(self, kind: Kind, **facts: Any) -> Event:
        """Records an event; `facts` are the other fields of `Event`."""
        event = Event(round(time.time(), 3), kind, **facts)
        with self._changed:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(event), ensure_ascii=False) + "\n")
            self._listener(event)
            self._seen.append(event)
            self._changed.notify_all()
        return event

    def wait_for(self, wanted: Callable[[Event], bool], timeout_seconds: float) -> Event | None:
        """Waits for the first event since the start that satisfies `wanted`; None after the timeout."""
        with self._changed:
            self._changed.wait_for(lambda: any(map(wanted, self._seen)), timeout_seconds)
            return next(filter(wanted, self._seen), None)
