"""Follows the subjects that Flagger asks about, and forgets those that it asks about no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from components.spec.contract import Rollout
from services.judge.webhook import Subject

#: The time that is read twice, because samples may be stored slightly out of order.
OVERLAP_SECONDS: Final = 30.0
#: Samples are read this much further back than the deadline, so that the rollout's beginning is seen.
_LONGER_SECONDS: Final = 600.0
#: A subject is not read any more this long after the last question about it.
_FORGOTTEN_SECONDS: Final = 900.0

Known = TypeVar("Known")


@dataclass
class Followed(Generic[Known]):
    """One subject: how far back it is read, when it was asked about and read last, and what is known of it."""

    range_seconds: float
    asked_at: float
    series: Known
    read_until: float = 0.0


class Following(Generic[Known]):
    """The followed subjects, each with what is known of it."""

    def __init__(
        self,
        clock: Callable[[], float],
        nothing: Callable[[], Known],
        update: Callable[[Subject, Followed[Known]], Awaitable[None]],
    ) -> None:
        """`nothing` makes what is known before the first read; `update` reads what is new of a subject."""
        self._clock, self._nothing, self._update = clock, nothing, update
        self._followed: dict[Subject, Followed[Known]] = {}

    def get(self, subject: Subject) -> Known | None:
        """What is known of a subject; None if it is not followed."""
        followed = self._followed.get(subject)
        return None if followed is None else followed.series

    async def follow(self, subject: Subject, rollout: Rollout) -> None:
        """Reads a subject from now on; all existing samples have been read when this returns."""
        now, range_seconds = self._clock(), rollout.deadline_minutes * 60 + _LONGER_SECONDS
        known = self._followed.get(subject)
        if known is not None:
            known.asked_at, known.range_seconds = now, range_seconds
            return
        self._followed[subject] = Followed(range_seconds, now, self._nothing())
        await self._update(subject, self._followed[subject])

    async def refresh(self) -> None:
        """Reads what is new of every subject that was asked about lately."""
        now = self._clock()
        for subject, followed in list(self._followed.items()):
            if now - followed.asked_at > _FORGOTTEN_SECONDS:
                del self._followed[subject]
        await asyncio.gather(*(self._update(*followed) for followed in self._followed.items()))
