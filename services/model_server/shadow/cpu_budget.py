"""How much of a thread's time side work may take, so that its main work is hardly slowed.

The time that counts is the one in which the thread ran or had nothing to do. While it waits for a processor that
others use, or that a container's quota withholds, side work would take from the main work as much as it gets.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable


class CpuBudget:
    """A share of the time that passes may be spent."""

    def __init__(self, share: float, saved_seconds: float, clock: Callable[[], float]) -> None:
        """At most `saved_seconds` of it are saved up; `clock` gives seconds."""
        self._share, self._most, self._clock = share, saved_seconds, clock
        self._left, self._at = saved_seconds, clock()

    def wait_seconds(self) -> float:
        """How long nothing may be spent; 0 is now."""
        now = self._clock()
        self._left = min(self._most, self._left + self._share * (now - self._at))
        self._at = now
        return 0.0 if self._left > 0 else -self._left / self._share + self._most

    def spend(self, seconds: float) -> None:
        """Takes time that was spent; more than there is makes a debt."""
        self._left -= seconds


def unstalled_clock() -> Callable[[], float]:
    """A clock in seconds for the calling thread, which stands still while the thread waits for a processor.

    Where the kernel does not tell (Linux does, in schedstat), it never stands still.
    """
    with contextlib.suppress(OSError):
        file = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        return lambda: time.monotonic() - _waited_seconds(file)
    return time.monotonic


def _waited_seconds(file: int) -> float:
    """The second of schedstat's three numbers, in nanoseconds: time spent runnable and not running."""
    return int(os.pread(file, 100, 0).split()[1]) / 1e9
