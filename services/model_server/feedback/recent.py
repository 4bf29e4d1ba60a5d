"""The score bins of recent requests, in memory of a fixed size that every worker can read.

A ring holds the score bins of answered rows; a table with four-way buckets says
where in the ring a request's rows begin. The entries are not Python objects, so load
neither grows the memory nor burdens the garbage collector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from services.model_server.errors import LabelsError
from services.model_server.shared import SharedMemory

_WAYS: Final = 4
#: Rows in the ring for each request in the table; batches need more, single rows fewer.
_ROWS_PER_REQUEST: Final = 4
# A row's byte in the ring: its bin, whether its label came back, and whether that label is positive.
_BIN: Final = 0x3F
_POSITIVE: Final = 0x40
_LABELLED: Final = 0x80


def recent_bytes(requests: int) -> int:
    """Bytes of memory for at least this many requests."""
    capacity = _capacity(requests)
    return 8 + capacity * (8 + 8 + 4) + capacity * _ROWS_PER_REQUEST


def _capacity(requests: int) -> int:
    return 1 << max(requests - 1, _WAYS).bit_length()


def request_key(request_id: str) -> int:
    """A 64-bit hash of a request id, the same in every worker; never 0."""
    return int.from_bytes(hashlib.blake2b(request_id.encode(), digest_size=8).digest(), "little") or 1


class _Table:
    """One worker's answers."""

    def __init__(self, memory: memoryview, capacity: int) -> None:
        keys, places, counts = 8, 8 + 8 * capacity, 8 + 16 * capacity
        self.ring_size = capacity * _ROWS_PER_REQUEST
        # Number of rows ever written; a row's place in the ring is its number modulo the ring's size.
        self.head = memory[:8].cast("Q")
        self.keys = memory[keys:places].cast("Q")
        self.places = memory[places:counts].cast("Q")
        self.counts = memory[counts : counts + 4 * capacity].cast("I")
        ring = counts + 4 * capacity
        self.ring = memory[ring : ring + self.ring_size]

    def find(self, key: int) -> tuple[int, int] | None:
        """The number of the first row and the count of rows; None if unknown or overwritten."""
        bucket = key % len(self.keys) & -_WAYS
        for slot in range(bucket, bucket + _WAYS):
            if self.keys[slot] == key:
                first, count = self.places[slot], self.counts[slot]
                alive = self.head[0] - first <= self.ring_size
                return (first, count) if alive and self.keys[slot] == key else None
        return None


class RecentAnswers:
    """Remembers this worker's answers and finds those of all workers."""

    def __init__(self, shared: SharedMemory, offset: int, requests: int) -> None:
        capacity = _capacity(requests)
        self._tables = tuple(_Table(slot[offset:], capacity) for slot in shared.slots)
        self._own = self._tables[shared.own]
        self._shared = shared

    def remember(self, request_id: str, bins: Sequence[int]) -> None:
        """Stores the bins of one answer over the oldest ones. A repeated id replaces the earlier answer."""
        table = self._own
        count = len(bins)
        if count > table.ring_size // 4:
            return
        key, first = request_key(request_id), table.head[0]
        slot = _slot_for(table, key)
        # The key must not be found while its entry is being written.
        table.keys[slot] = 0
        place = first % table.ring_size
        if count == 1:
            table.ring[place] = bins[0]
        else:
            for row, score_bin in enumerate(bins, first):
                table.ring[row % table.ring_size] = score_bin
        table.head[0] = first + count
        table.places[slot] = first
        table.counts[slot] = count
        table.keys[slot] = key

    def count(self, request_id: str) -> int | None:
        """The number of rows in the answer to this request; None if the request is not known (any more)."""
        entry = self._find(request_key(request_id))
        return None if entry is None else entry[2]

    def label(self, request_id: str, positives: Sequence[bool]) -> list[int] | None:
        """Labels an answer's rows and returns their bins: empty if already labelled, None if the answer is unknown.

        Raises:
            LabelsError: the answer has another number of rows, or a row already has another label.
        """
        marks = [_LABELLED | (_POSITIVE if positive else 0) for positive in positives]
        with self._shared.changing():
            entry = self._find(request_key(request_id))
            if entry is None:
                return None
            table, first, count = entry
            if count != len(marks):
                raise LabelsError(f"has {len(marks)} labels; the answer has {count}, one for each row of the request")
            places = [row % table.ring_size for row in range(first, first + count)]
            # All rows of an answer are labelled together, so the first row tells.
            if table.ring[places[0]] & _LABELLED:
                before = [table.ring[place] & ~_BIN for place in places]
                if before != marks:
                    row = [earlier == mark for earlier, mark in zip(before, marks, strict=True)].index(False)
                    raise LabelsError(f"row {row} had another label before; the first one counts")
                return []
            bins = [table.ring[place] & _BIN for place in places]
            for place, mark in zip(places, marks, strict=True):
                table.ring[place] |= mark
        return bins

    def labels(self, request_id: str) -> list[bool] | None:
        """The labels of an answer's rows; None if it has none yet, or is unknown.

        The caller holds `SharedMemory.changing`, so that no label comes meanwhile.
        """
        entry = self._find(request_key(request_id))
        if entry is None:
            return None
        table, first, count = entry
        marks = [table.ring[row % table.ring_size] for row in range(first, first + count)]
        return [bool(mark & _POSITIVE) for mark in marks] if marks[0] & _LABELLED else None

    def _find(self, key: int) -> tuple[_Table, int, int] | None:
        for table in self._tables:
            rows = table.find(key)
            if rows is not None:
                return table, *rows
        return None


def _slot_for(table: _Table, key: int) -> int:
    """The slot that holds the key, else an empty slot of its bucket, else the bucket's oldest."""
    bucket = key % len(table.keys) & -_WAYS
    slots = range(bucket, bucket + _WAYS)
    for slot in slots:
        if table.keys[slot] == key:
            return slot
    return min(slots, key=lambda slot: (table.keys[slot] != 0, table.places[slot]))
