"""Counts labels of requests that champion and candidate both answered, by the difference of their losses.

A label counts once, whether it comes before or after the candidate's answer, and whichever worker receives it: what
comes last finds the rest, under the lock of the workers' shared memory. Where the labels of one class come sooner than
those of the other, the first labels would speak for that class alone; so a label may have to wait until its answer has
a certain age.
"""

from __future__ import annotations

import time
import zlib
from bisect import bisect_right
from collections import deque
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
PAIRED_BYTES: Final = _CAPACITY * (8 + 4 + 4 + 2 + _REMEMBERED_ROWS)
#: The bit that says that an entry's labels are there; the lower ones are its labels, by row.
_THERE: Final = 1 << _REMEMBERED_ROWS


def compared_step(rows: int) -> int:
    """Every so many rows of a request are compared, from the first on."""
    return -(-rows // _COMPARED_ROWS)


def _remembered(rows: int) -> range:
    """The rows of a request that are remembered; all of them are compared."""
    step = compared_step(rows)
    return range(0, rows, step * -(-len(range(0, rows, step)) // _REMEMBERED_ROWS))


class _Table:
    """One worker's remembered answers of a candidate: score bins, time, the candidate's mark, labels that wait."""

    def __init__(self, memory: memoryview) -> None:
        ends = (8 * _CAPACITY, 12 * _CAPACITY, 16 * _CAPACITY, 18 * _CAPACITY)
        self.keys = memory[: ends[0]].cast("Q")
        self.times = memory[ends[0] : ends[1]].cast("I")
        self.marks = memory[ends[1] : ends[2]].cast("I")
        self.labels = memory[ends[2] : ends[3]].cast("H")
        self.bins = memory[ends[3] : PAIRED_BYTES]

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
        mature_seconds: float = 0.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Each worker's slot holds `PAIRED_BYTES` from `offset` on; `counts` are the workers' `ShadowCounts`.

        An answer that waits for its label keeps its room for `keep_seconds`; a label counts once its answer is
        `mature_seconds` old; `wall` gives unix seconds.
        """
        self._shared, self._counts, self._recent = shared, counts, recent
        self._tables = [_Table(slot[offset:]) for slot in shared.slots]
        self._cells = [label_cells(memory) for memory in counts]
        self._keep_seconds, self._mature_seconds, self._wall = keep_seconds, mature_seconds, wall
        self._waiting: deque[tuple[float, int, int, bytes]] = deque()

    def compared(self, request_id: str, rows: int, ours: Sequence[int], theirs: Sequence[int], candidate: str) -> None:
        """Takes the score bins of every `compared_step`th row of a request that this worker has compared."""
        places = [row // compared_step(rows) for row in _remembered(rows)]
        mine, other = [ours[place] for place in places], [theirs[place] for place in places]
        with self._shared.changing():
            self._count_mature()
            labels = self._recent.labels(request_id)
            if labels is not None and len(labels) != rows:
                return
            known = None if labels is None else [labels[row] for row in _remembered(rows)]
            if known is not None and not self._mature_seconds:
                _count(self._cells[self._shared.own], mine, other, known)
            else:
                self._remember(request_key(request_id), mine, other, known, _mark(candidate))

    def labelled(self, request_id: str, bins: Sequence[int], positives: Sequence[bool]) -> None:
        """Takes the labels of an answer, the first time that they come; `bins` are the champion's, of every row."""
        key, rows = request_key(request_id), _remembered(len(bins))
        mine, known = [bins[row] for row in rows], [positives[row] for row in rows]
        with self._shared.changing():
            found = ((worker, table.find(key)) for worker, table in enumerate(self._tables))
            worker, entry = next(((worker, entry) for worker, entry in found if entry is not None), (0, None))
            if entry is None:
                return
            table = self._tables[worker]
            if self._wall() - table.times[entry] < self._mature_seconds:
                table.labels[entry] = _word(known)
            else:
                self._count_entry(worker, entry, mine, known)

    def _remember(
        self, key: int, ours: Sequence[int], theirs: Sequence[int], known: Sequence[bool] | None, mark: int
    ) -> None:
        """Remembers an answer while there is room: what is remembered must not be forgotten before its label comes."""
        table, now = self._tables[self._shared.own], self._wall()
        entry = table.entry_for(key, mark, now - self._keep_seconds)
        if entry is None:
            return
        start = entry * _REMEMBERED_ROWS
        table.bins[start : start + len(theirs)] = bytes(theirs)
        table.labels[entry] = 0 if known is None else _word(known)
        table.times[entry], table.marks[entry], table.keys[entry] = int(now), mark, key
        if self._mature_seconds:
            self._waiting.append((now, entry, key, bytes(ours)))

    def _count_mature(self) -> None:
        """Counts the labels that waited until now, of this worker's answers."""
        table, mature = self._tables[self._shared.own], self._wall() - self._mature_seconds
        while self._waiting and self._waiting[0][0] <= mature:
            _, entry, key, ours = self._waiting.popleft()
            word = table.labels[entry]
            if table.keys[entry] == key and word & _THERE:
                self._count_entry(self._shared.own, entry, ours, [bool(word >> row & 1) for row in range(len(ours))])

    def _count_entry(self, worker: int, entry: int, ours: Sequence[int], known: Sequence[bool]) -> None:
        """Counts an entry, and empties it."""
        table, start = self._tables[worker], entry * _REMEMBERED_ROWS
        table.keys[entry] = 0
        # The counts belong to one candidate; another may have come since this one answered.
        if table.marks[entry] == _mark(candidate_in(self._counts[worker])):
            _count(self._cells[worker], ours, table.bins[start : start + len(ours)].tolist(), known)


def _word(known: Sequence[bool]) -> int:
    return _THERE | sum(positive << row for row, positive in enumerate(known))


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
