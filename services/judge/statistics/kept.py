"""Keeps the last results of a function, as many as fit into a number of bytes: answers with many classes take more."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Kept(Generic[Result]):
    """A function of hashable arguments whose last results are kept; the one asked for longest ago goes first."""

    def __init__(self, compute: Callable[..., Result], most_bytes: int, size: Callable[[Result], int]) -> None:
        """`size` tells the bytes of a result."""
        self._compute, self._most_bytes, self._size = compute, most_bytes, size
        self._results: OrderedDict[tuple[Hashable, ...], Result] = OrderedDict()
        self._lock = threading.Lock()
        #: The bytes of all results that are kept, and how often one had to be computed.
        self.bytes, self.computed = 0, 0

    def __call__(self, *arguments: Hashable) -> Result:
        """The result for these arguments."""
        with self._lock:
            if arguments in self._results:
                self._results.move_to_end(arguments)
                return self._results[arguments]
        result = self._compute(*arguments)
        with self._lock:
            self.computed += 1
            if arguments not in self._results:
                self._results[arguments] = result
                self.bytes += self._size(result)
            while self.bytes > self._most_bytes:
                self.bytes -= self._size(self._results.popitem(last=False)[1])
        return result
