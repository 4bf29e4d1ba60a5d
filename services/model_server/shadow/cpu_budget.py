"""A CPU budget for background work, small enough not to slow the thread's main work.

The budget grows only while the thread runs or is idle. While the thread waits for a processor that other processes
use, or that a container's quota withholds, all time for background work would be taken from the main work.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable


class CpuBudget:
    """A budget that grows by a share of the clock's time."""

    def __init__(self, share: float, saved_seconds: float, clock: Callable[[], float]) -> None:
        """At most `saved_seconds` are saved up; `clock` gives seconds."""
        self._share, self._most, self._clock = share, saved_seconds, clock
        self._left, self._at = saved_seconds, clock()

    def wait_seconds(self) -> float:
        """Seconds until something may be spent; 0 means now."""
        now = self._clock()
        self._left = min(self._most, self._left + self._share * (now - self._at))
        self._at = now
        return 0.0 if self._left > 0 else -self._left / self._share + self._most

    def spend(self, seconds: float) -> None:
        """Takes spent seconds from the budget; spending more than is left makes a debt."""
        self._left -= seconds


def unstalled_clock() -> Callable[[], float]:
    """A clock in seconds for the calling thread; it stops while the thread waits for a processor.

    It never stops where the kernel does not report this waiting (Linux does, in schedstat).
    """
    with contextlib.suppress(OSError):
        file = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        return lambda: time.monotonic() - _waited_seconds(file)
    return time.monotonic


def _waited_seconds(file: int) -> float:
    """Seconds that the thread was runnable but not running: schedstat's second number, there in nanoseconds."""
    return int(os.pread(file, 100, 0).split()[1]) / 1e9
