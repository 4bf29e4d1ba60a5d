"""Which score a recent request was given, in memory of a fixed size that every worker can read.

A ring holds the score bins of answered rows, a table of four-way buckets says
where in the ring a request's rows begin. Nothing here is an object for the
garbage collector, so a minute of full load costs no memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from services.model_server.errors import LabelsError
from services.model_server.shared import SharedMemory

_WAYS: Final = 4
#: Rows in the ring for each request in the table; batches take more, single rows less.
_ROWS_PER_REQUEST: Final = 4
# A row's byte in the ring: its bin, and once its label came back, that and which one.
_BIN: Final = 0x3F
_POSITIVE: Final = 0x40
_LABELLED: Final = 0x80


def recent_bytes(requests: int) -> int:
    """Bytes for at least so many requests."""
    capacity = _capacity(requests)
    return 8 + capacity * (8 + 8 + 4) + capacity * _ROWS_PER_REQUEST


def _capacity(requests: int) -> int:
    return 1 << max(requests - 1, _WAYS).bit_length()


def request_key(request_id: str) -> int:
    """64 bits for a request id, the same in every worker; never 0."""
    return int.from_bytes(hashlib.blake2b(request_id.encode(), digest_size=8).digest(), "little") or 1


class _Table:
    """One worker's answers."""

    def __init__(self, memory: memoryview, capacity: int) -> None:
        keys, places, counts = 8, 8 + 8 * capacity, 8 + 16 * capacity
        self.ring_size = capacity * _ROWS_PER_REQUEST
        # Rows ever written; a place in the ring is such a number modulo its size.
        self.head = memory[:8].cast("Q")
        self.keys = memory[keys:places].cast("Q")
        self.places = memory[places:counts].cast("Q")
        self.counts = memory[counts : counts + 4 * capacity].cast("I")
        ring = counts + 4 * capacity
        self.ring = memory[ring : ring + self.ring_size]

    def find(self, key: int) -> tuple[int, int] | None:
        """The first row's number and how many there are, unless they were overwritten."""
        bucket = key % len(self.keys) & -_WAYS
        for slot in range(bucket, bucket + _WAYS):
            if self.keys[slot] == key:
                first, count = self.places[slot], self.counts[slot]
                alive = self.head[0] - first <= self.ring_size
                return (first, count) if alive and self.keys[slot] == key else None
        return None


class RecentAnswers:
    """Remembers this worker's answers and finds those of all."""

    def __init__(self, shared: SharedMemory, offset: int, requests: int) -> None:
        capacity = _capacity(requests)
        self._tables = tuple(_Table(slot[offset:], capacity) for slot in shared.slots)
        self._own = self._tables[shared.own]
        self._shared = shared

    def remember(self, request_id: str, bins: Sequence[int]) -> None:
        """Keeps the bins of one answer, in place of the oldest ones. The same id again replaces the earlier answer."""
        table = self._own
        count = len(bins)
        if count > table.ring_size // 4:
            return
        key, first = request_key(request_id), table.head[0]
        slot = _slot_for(table, key)
        # Nobody may find the key while what belongs to it is being written.
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
        """How many rows the answer to this request had, or None if it is not known (any more)."""
        found = self._find(request_key(request_id))
        return None if found is None else found[2]

    def label(self, request_id: str, positives: Sequence[bool]) -> list[int] | None:
        """The bins of an answer's rows, which are labelled now; none if they were before, None if it is not known.

        Raises:
            LabelsError: the answer had another number of rows, or a row had another label before.
        """
        marks = [_LABELLED | (_POSITIVE if positive else 0) for positive in positives]
        with self._shared.changing():
            found = self._find(request_key(request_id))
            if found is None:
                return None
            table, first, count = found
            if count != len(marks):
                raise LabelsError(f"has {len(marks)} labels; the answer has {count}, one for each row of the request")
            places = [row % table.ring_size for row in range(first, first + count)]
            # All rows of an answer are labelled together.
            if table.ring[places[0]] & _LABELLED:
                before = [table.ring[place] & ~_BIN for place in places]
                if before != marks:
                    row = [one == other for one, other in zip(before, marks, strict=True)].index(False)
                    raise LabelsError(f"row {row} had another label before; the first one counts")
                return []
            bins = [table.ring[place] & _BIN for place in places]
            for place, mark in zip(places, marks, strict=True):
                table.ring[place] |= mark
        return bins

    def _find(self, key: int) -> tuple[_Table, int, int] | None:
        for table in self._tables:
            found = table.find(key)
            if found is not None:
                return table, *found
        return None


def _slot_for(table: _Table, key: int) -> int:
    """The slot that holds the key, else an empty or the oldest one of its bucket."""
    bucket = key % len(table.keys) & -_WAYS
    slots = range(bucket, bucket + _WAYS)
    for slot in slots:
        if table.keys[slot] == key:
            return slot
    return min(slots, key=lambda slot: (table.keys[slot] != 0, table.places[slot]))
