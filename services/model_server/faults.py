"""Injected faults, which make a canary bad in a planned way; only settings switch them on."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from components.package.model_package import Contract
from components.spec.contract import CategoryFeature
from components.spec.values import CategoryValue, category_text
from services.model_server.decoding import Row
from services.model_server.errors import ServerError, SettingsError
from services.model_server.settings import Settings, parse_slice

#: Earlier scores that a stale answer is drawn from.
_KEPT_SCORES = 1000
#: The load of a replica is the requests that it got in so many seconds.
_LOAD_SECONDS = 5.0


class LostRequest(Exception):  # noqa: N818 -- nothing that the server could answer
    """A planned loss: the request is given up without an answer, as by a process that dies, and counted nowhere."""


class FakedError(ServerError):
    """A planned failure, answered with 500."""


class Faults:
    """Draws the planned faults of each request."""

    def __init__(
        self,
        settings: Settings,
        contract: Contract,
        source: random.Random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises SettingsError if the contract does not have the planned slice."""
        self._error_ratio = settings.fault_error_ratio
        self._lost_ratio = settings.fault_lost_ratio
        self._error_above = settings.fault_error_above
        self._slow_ratio = settings.fault_slow_ratio
        self._stale_ratio = settings.fault_stale_ratio
        self._swapped_ratio = settings.fault_swapped_ratio
        self._delay_seconds = 2 * contract.objectives.latency_p99_ms / 1000
        self._slice = None if settings.fault_slice is None else _planned_slice(settings.fault_slice, contract)
        self._threshold = contract.threshold
        self._source, self._clock = source, clock
        self._earlier: deque[float] = deque(maxlen=_KEPT_SCORES)
        self._arrivals: deque[float] = deque()

    def lose(self) -> None:
        """Raises LostRequest for the planned share of requests."""
        if self._source.random() < self._lost_ratio:
            raise LostRequest

    def fail(self) -> None:
        """Raises FakedError for the planned share of requests, while the load is as large as planned."""
        load = self._load(self._clock())
        if load >= self._error_above and self._source.random() < self._error_ratio:
            raise FakedError("a planned failure")

    def _load(self, now: float) -> float:
        """Requests a second of late, with this one."""
        self._arrivals.append(now)
        while self._arrivals[0] <= now - _LOAD_SECONDS:
            self._arrivals.popleft()
        return len(self._arrivals) / _LOAD_SECONDS

    def delay_seconds(self) -> float:
        """Twice the objective for the planned share of requests, else 0."""
        return self._delay_seconds if self._source.random() < self._slow_ratio else 0.0

    def stale(self, scores: Sequence[float]) -> list[float]:
        """The scores, with the planned share replaced by scores of earlier, unrelated rows."""
        source = self._source
        answered = [
            source.choice(self._earlier) if self._earlier and source.random() < self._stale_ratio else score
            for score in scores
        ]
        self._earlier.extend(scores)
        return answered

    def swapped(self, scores: Sequence[Any]) -> list[Any]:
        """The scores, with the planned share given to other classes: each class's probability is the next one's."""
        source = self._source
        return [_given_on(score) if source.random() < self._swapped_ratio else score for score in scores]

    def in_slice(self, rows: Sequence[Row], scores: list[float]) -> list[float]:
        """The scores, with the planned share of the planned slice turned to the opposite label."""
        if self._slice is None:
            return scores
        place, text, ratio = self._slice
        return [
            float(score < self._threshold) if _text(row[place]) == text and self._source.random() < ratio else score
            for row, score in zip(rows, scores, strict=True)
        ]


def _given_on(score: float | list[float]) -> float | list[float]:
    """The probabilities of classes, each that of the class before; of two words, the other word's."""
    return [score[-1], *score[:-1]] if isinstance(score, list) else 1 - min(score, 1.0)


def _planned_slice(text: str, contract: Contract) -> tuple[int, str, float]:
    """The feature's place in a row, the value's text, and the share."""
    name, value, ratio = parse_slice(text)
    allowed = _category_values(contract)
    if value not in allowed.get(name, ()):
        known = f"{name} has {', '.join(allowed[name])}" if name in allowed else f"allowed: {', '.join(allowed)}"
        raise SettingsError(f"CANARIO_FAULT_SLICE: {name}={value} is no value of a category feature; {known}")
    return list(contract.features).index(name), value, ratio


def _category_values(contract: Contract) -> dict[str, list[str]]:
    """The texts of every category feature's values."""
    return {
        name: [category_text(value) for value in feature.values]
        for name, feature in contract.features.items()
        if isinstance(feature, CategoryFeature)
    }


def _text(value: CategoryValue | None) -> str | None:
    return None if value is None else category_text(value)


def planned_faults(settings: Settings, contract: Contract, source: random.Random) -> Faults | None:
    """The faults that the settings ask for, or None.

    Raises:
        SettingsError: the contract does not have the planned slice, or its answers have no opposite or no classes.
    """
    if settings.fault_swapped_ratio and contract.task == "regression":
        raise SettingsError(f"CANARIO_FAULT_SWAPPED_RATIO: answers of task {contract.task} have no classes to swap")
    if settings.fault_slice and contract.task != "binary":
        raise SettingsError(f"CANARIO_FAULT_SLICE: an answer of task {contract.task} has no opposite label")
    ratios = (
        *(settings.fault_error_ratio, settings.fault_lost_ratio),
        *(settings.fault_slow_ratio, settings.fault_stale_ratio, settings.fault_swapped_ratio),
    )
    return Faults(settings, contract, source) if any(ratios) or settings.fault_slice else None
