"""Counts labels of requests that champion and candidate both answered, by the difference of their losses.

A label counts once, whether it comes before or after the candidate's answer, and whichever worker receives it: the
answer that comes last finds the other one, under the lock of the workers' shared memory.
"""

from __future__ import annotations

import time
import zlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Final

from components.spec.contract import BRIER_LOSSES
from services import telemetry
from services.model_server.feedback.recent import RecentAnswers, request_key
from services.model_server.shadow.counts import candidate_in, label_cells
from services.model_server.shared import SharedMemory

#: Of a longer request about this many rows, evenly spaced, are compared, so that no other request has to wait.
_COMPARED_ROWS: Final = 64
#: And about this many of its rows are remembered until the label comes.
_REMEMBERED_ROWS: Final = 8
_CAPACITY: Final = 65_536
_WAYS: Final = 4
#: Bytes of one worker's remembered answers of a candidate.
PAIRED_BYTES: Final = _CAPACITY * (8 + 4 + 4 + _REMEMBERED_ROWS)


def compared_step(rows: int) -> int:
    """Every so many rows of a request are compared, from the first on."""
    return -(-rows // _COMPARED_ROWS)


def _remembered(rows: int) -> range:
    """The rows of a request that are remembered; all of them are compared."""
    step = compared_step(rows)
    return range(0, rows, step * -(-len(range(0, rows, step)) // _REMEMBERED_ROWS))


class _Table:
    """One worker's remembered answers of a candidate: their score bins, when they came, and the candidate's mark."""

    def __init__(self, memory: memoryview) -> None:
        ends = (8 * _CAPACITY, 12 * _CAPACITY, 16 * _CAPACITY)
        self.keys = memory[: ends[0]].cast("Q")
        self.times = memory[ends[0] : ends[1]].cast("I")
        self.marks = memory[ends[1] : ends[2]].cast("I")
        self.bins = memory[ends[2] : PAIRED_BYTES]

    def find(self, key: int) -> int | None:
        """The entry of a key, or None."""
        return next((entry for entry in _bucket(key) if self.keys[entry] == key), None)

    def entry_for(self, key: int, mark: int, oldest: float) -> int | None:
        """An entry for a key: its own, or one that is empty, of another candidate or from before `oldest`; or None."""
        own = self.find(key)
        free = (
            entry
            for entry in _bucket(key)
            if not self.keys[entry] or self.marks[entry] != mark or self.times[entry] < oldest
        )
        return next(free, None) if own is None else own


def _bucket(key: int) -> range:
    first = key % _CAPACITY & -_WAYS
    return range(first, first + _WAYS)


class LabelledPairs:
    """Pairs labels with the answers of both versions, for all workers of a server."""

    def __init__(
        self,
        shared: SharedMemory,
        offset: int,
        counts: Sequence[memoryview],
        recent: RecentAnswers,
        keep_seconds: float,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Each worker's slot holds `PAIRED_BYTES` from `offset` on; `counts` are the workers' `ShadowCounts`.

        An answer that waits for its label keeps its room for `keep_seconds`; `wall` gives unix seconds.
        """
        self._shared, self._counts, self._recent = shared, counts, recent
        self._tables = [_Table(slot[offset:]) for slot in shared.slots]
        self._cells = [label_cells(memory) for memory in counts]
        self._keep_seconds, self._wall = keep_seconds, wall

    def compared(self, request_id: str, rows: int, ours: Sequence[int], theirs: Sequence[int], candidate: str) -> None:
        """Takes the score bins of every `compared_step`th row of a request that this worker has compared."""
        places = [row // compared_step(rows) for row in _remembered(rows)]
        mine, other = [ours[place] for place in places], [theirs[place] for place in places]
        with self._shared.changing():
            labels = self._recent.labels(request_id)
            if labels is None:
                self._remember(request_key(request_id), other, _mark(candidate))
            elif len(labels) == rows:
                _count(self._cells[self._shared.own], mine, other, [labels[row] for row in _remembered(rows)])

    def labelled(self, request_id: str, bins: Sequence[int], positives: Sequence[bool]) -> None:
        """Takes the labels of an answer, the first time that they come; `bins` are the champion's, of every row."""
        key, rows = request_key(request_id), _remembered(len(bins))
        with self._shared.changing():
            for worker, table in enumerate(self._tables):
                entry = table.find(key)
                if entry is None:
                    continue
                start = entry * _REMEMBERED_ROWS
                theirs = table.bins[start : start + len(rows)].tolist()
                table.keys[entry] = 0
                # The counts belong to one candidate; another may have come since this one answered.
                if table.marks[entry] == _mark(candidate_in(self._counts[worker])):
                    _count(self._cells[worker], [bins[row] for row in rows], theirs, [positives[row] for row in rows])
                return

    def _remember(self, key: int, bins: Sequence[int], mark: int) -> None:
        """Remembers an answer while there is room: what is remembered must not be forgotten before its label comes."""
        table, now = self._tables[self._shared.own], self._wall()
        entry = table.entry_for(key, mark, now - self._keep_seconds)
        if entry is None:
            return
        start = entry * _REMEMBERED_ROWS
        table.bins[start : start + len(bins)] = bytes(bins)
        table.times[entry], table.marks[entry], table.keys[entry] = int(now), mark, key


def _mark(candidate: str) -> int:
    return zlib.crc32(candidate.encode())


def _count(cells: memoryview[float], ours: Sequence[int], theirs: Sequence[int], positives: Sequence[bool]) -> None:
    """Counts a request once, by the differences of its rows' losses."""
    grid, part = telemetry.SHADOW_DIFFERENCES, 1 / len(ours)
    for mine, other, positive in zip(ours, theirs, positives, strict=True):
        difference = BRIER_LOSSES[2 * other + positive] - BRIER_LOSSES[2 * mine + positive]
        low = min(bisect_right(grid, difference), len(grid) - 1) - 1
        upper = (difference - grid[low]) / (grid[low + 1] - grid[low])
        cells[low] += (1 - upper) * part
        cells[low + 1] += upper * part
