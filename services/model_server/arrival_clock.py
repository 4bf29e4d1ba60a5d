"""Estimates when a request arrived, so that latency includes the time that its caller waited.

While the event loop computes one answer, other requests wait in the loop's queue or unread in the kernel. No
handler can measure that time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

#: A request picked up this soon after an iteration's end was already waiting during that iteration.
_SOON_SECONDS: Final = 0.0005


class ArrivalClock:
    """Estimates when a request arrived.

    Requests picked up in one loop iteration arrived when it began; if the previous iteration has only just ended,
    assume its midpoint.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` gives seconds, as `time.perf_counter` does."""
        self._clock, self._under_way = clock, False
        self._arrived = self._began = self._ended = 0.0

    def arrived_at(self) -> float:
        """The estimated arrival time of the current request, in the clock's seconds."""
        if not self._under_way:
            self._under_way, now = True, self._clock()
            waited = (self._ended - self._began) / 2 if now - self._ended < _SOON_SECONDS else 0.0
            self._began, self._arrived = now, now - waited
            asyncio.get_running_loop().call_soon(self._end)
        return self._arrived

    def _end(self) -> None:
        """Ends the iteration; runs after all requests that were found when it began."""
        self._under_way, self._ended = False, self._clock()
