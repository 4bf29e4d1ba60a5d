"""When a request came, for whoever measures how long its caller waited.

While the event loop computes one answer it takes up no other request, so what waits meanwhile is in no handler's
time: neither in the loop's queue, nor before it, where the kernel holds what no one has read yet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

#: A request that is taken up so soon after a turn was waiting while that went on.
_SOON_SECONDS: Final = 0.0005


class ArrivalClock:
    """The loop's turns. In one it works through all the requests that it found, then it looks for others.

    A request of a turn came at the turn's beginning, or before it: while the last one went on, if that ended just now,
    and then at the middle of it as often before as after.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` counts seconds, as `time.perf_counter` does."""
        self._clock, self._under_way = clock, False
        self._came = self._began = self._ended = 0.0

    def arrived_at(self) -> float:
        """When the request came that is taken up now, as the clock counts seconds."""
        if not self._under_way:
            self._under_way, now = True, self._clock()
            waited = (self._ended - self._began) / 2 if now - self._ended < _SOON_SECONDS else 0.0
            self._began, self._came = now, now - waited
            asyncio.get_running_loop().call_soon(self._end)
        return self._came

    def _end(self) -> None:
        """Runs after all that was there when the turn began; what is taken up from now on was found later."""
        self._under_way, self._ended = False, self._clock()
