"""Faked faults, so that a canary can be bad in a planned way; only settings switch them on."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence

from services.model_server.errors import ServerError
from services.model_server.settings import Settings

#: Earlier scores that a stale answer is drawn from.
_KEPT_SCORES = 1000


class FakedError(ServerError):
    """A planned failure."""


class Faults:
    """Draws the planned faults of each request."""

    def __init__(self, settings: Settings, objective_seconds: float, source: random.Random) -> None:
        self._error_ratio = settings.fault_error_ratio
        self._slow_ratio = settings.fault_slow_ratio
        self._stale_ratio = settings.fault_stale_ratio
        self._delay_seconds = 2 * objective_seconds
        self._source = source
        self._earlier: deque[float] = deque(maxlen=_KEPT_SCORES)

    def fail(self) -> None:
        """Raises FakedError for the planned share of requests."""
        if self._source.random() < self._error_ratio:
            raise FakedError("a planned failure")

    def delay_seconds(self) -> float:
        """Twice the objective for the planned share of requests, else 0."""
        return self._delay_seconds if self._source.random() < self._slow_ratio else 0.0

    def stale(self, scores: Sequence[float]) -> list[float]:
        """The scores, of which the planned share is that of an earlier, unrelated row."""
        source = self._source
        answered = [
            source.choice(self._earlier) if self._earlier and source.random() < self._stale_ratio else score
            for score in scores
        ]
        self._earlier.extend(scores)
        return answered


def planned_faults(settings: Settings, objective_seconds: float, source: random.Random) -> Faults | None:
    """The faults that the settings ask for, or None."""
    asked = settings.fault_error_ratio, settings.fault_slow_ratio, settings.fault_stale_ratio
    return Faults(settings, objective_seconds, source) if any(asked) else None
