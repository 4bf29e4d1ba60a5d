"""The answers to recent requests, in memory of a fixed size that every worker can read.

A ring holds what is kept of answered rows (`kept_rows`); a table with four-way buckets says
where in the ring a request's rows begin. The entries are not Python objects, so load
neither grows the memory nor burdens the garbage collector.

Time alone decides when an answer is forgotten, never traffic: else labels that come late would be lost on the side of
a rollout with more traffic. So each slot of time has its own part of the ring, and what does not fit is not remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from services.model_server.errors import LabelsError
from services.model_server.feedback.kept_rows import WORD_ROWS, RowKind
from services.model_server.feedback.label_slots import ANSWERS, ROWS, LabelSlots
from services.model_server.shared import SharedMemory
from services.telemetry import LABEL_SLOTS

_WAYS: Final = 4
#: Rows in the ring for each request in the table; batches need more, single rows fewer.
_ROWS_PER_REQUEST: Final = 4
#: The fewest answers that each slot of time has room for.
_FEWEST_A_SLOT: Final = 16


class LabelledAnswer(NamedTuple):
    """The slot of time in which an answer was given, and what was kept of its rows: none if it was labelled before."""

    turn: int
    answers: list[Any]


def recent_bytes(requests: int, kind: RowKind = WORD_ROWS) -> int:
    """Bytes of memory for at least this many requests."""
    capacity = _capacity(requests)
    return capacity * (8 + 8 + 4 + _ROWS_PER_REQUEST * kind.bytes_a_row)


def _capacity(requests: int) -> int:
    return 1 << (max(requests, _FEWEST_A_SLOT * LABEL_SLOTS) - 1).bit_length()


def request_key(request_id: str) -> int:
    """A 64-bit hash of a request id, the same in every worker; never 0."""
    return int.from_bytes(hashlib.blake2b(request_id.encode(), digest_size=8).digest(), "little") or 1


class _Table:
    """One worker's answers."""

    def __init__(self, memory: memoryview, capacity: int, kind: RowKind) -> None:
        places, counts, ring = 8 * capacity, 16 * capacity, 20 * capacity
        self.ring_size = capacity * _ROWS_PER_REQUEST
        #: The most answers, and the most rows, of one slot of time.
        self.answers_a_slot, self.rows_a_slot = capacity // LABEL_SLOTS, self.ring_size // LABEL_SLOTS
        self.keys = memory[:places].cast("Q")
        # The number of an answer's first row: the turn of its slot times `rows_a_slot`, plus its place among the slot's
        # rows. A row's place in the ring is its number modulo the ring's size, so each slot has its own part.
        self.places = memory[places:counts].cast("Q")
        self.counts = memory[counts:ring].cast("I")
        self.rows = kind.open(memory[ring : ring + kind.bytes_a_row * self.ring_size], self.ring_size)

    def remembered(self, turn: int) -> range:
        """The numbers of the rows that are remembered in slot `turn`."""
        return range((turn - LABEL_SLOTS + 1) * self.rows_a_slot, (turn + 1) * self.rows_a_slot)

    def find(self, key: int, turn: int) -> tuple[int, int] | None:
        """The number of the first row and the count of rows; None if unknown or forgotten."""
        bucket = key % len(self.keys) & -_WAYS
        for entry in range(bucket, bucket + _WAYS):
            if self.keys[entry] == key:
                first, count = self.places[entry], self.counts[entry]
                alive = first in self.remembered(turn)
                return (first, count) if alive and self.keys[entry] == key else None
        return None

    def entry_for(self, key: int, turn: int) -> int | None:
        """The entry that holds the key, else one of its bucket that is empty or forgotten, else None."""
        remembered, free = self.remembered(turn), None
        bucket = key % len(self.keys) & -_WAYS
        for entry in range(bucket, bucket + _WAYS):
            held = self.keys[entry]
            if held == key:
                return entry
            if free is None and (not held or self.places[entry] not in remembered):
                free = entry
        return free


class RecentAnswers:
    """Remembers this worker's answers and finds those of all workers."""

    def __init__(
        self, shared: SharedMemory, offset: int, requests: int, slots: LabelSlots, kind: RowKind = WORD_ROWS
    ) -> None:
        capacity = _capacity(requests)
        self._tables = tuple(_Table(slot[offset:], capacity, kind) for slot in shared.slots)
        self._own = self._tables[shared.own]
        self._shared, self._slots = shared, slots

    def remember(self, request_id: str, answers: Sequence[Any]) -> None:
        """Stores one answer's rows while there is room. A repeated id replaces the earlier answer in any case.

        `answers` are what `kept_rows` keeps: score bins of two words, values, or rows of probabilities.
        """
        table, key, turn, count = self._own, request_key(request_id), self._slots.turn(), len(answers)
        entry = table.entry_for(key, turn)
        if entry is None:
            return
        if table.keys[entry] == key:
            self._forget(entry, turn)
        # The key must not be found while its entry is being written.
        table.keys[entry] = 0
        first = self._room(turn, count)
        if first is None:
            return
        table.rows.put(first % table.ring_size, answers)
        table.places[entry] = first
        table.counts[entry] = count
        table.keys[entry] = key
        self._slots.ring.add(turn, turn, ANSWERS, 1)

    def _room(self, turn: int, count: int) -> int | None:
        """The number of the first of `count` rows, which are taken; None if the slot has no room."""
        table, place = self._own, self._slots.ring.place(turn, turn)
        if place is None or count > table.rows_a_slot:
            return None
        values = self._slots.ring.values
        used = int(values[place + ROWS])
        if used + count > table.rows_a_slot or values[place + ANSWERS] >= table.answers_a_slot:
            # Nothing comes after the first answer that finds no room; else short answers would have better chances.
            values[place + ROWS] = table.rows_a_slot
            return None
        values[place + ROWS] = used + count
        return turn * table.rows_a_slot + used

    def _forget(self, entry: int, turn: int) -> None:
        """Corrects the count of remembered answers for one that can now never be labelled."""
        table = self._own
        first = table.places[entry]
        if first in table.remembered(turn) and not table.rows.is_labelled(first % table.ring_size):
            self._slots.ring.add(first // table.rows_a_slot, turn, ANSWERS, -1)

    def count(self, request_id: str) -> int | None:
        """The number of rows in the answer to this request; None if the request is not known (any more)."""
        entry = self._find(request_key(request_id))
        return None if entry is None else entry[2]

    def label(self, request_id: str, labels: Sequence[Any]) -> LabelledAnswer | None:
        """Labels an answer's rows; None if the answer is unknown.

        Raises:
            LabelsError: the answer has another number of rows, or a row already has another label.
        """
        with self._shared.changing():
            entry = self._find(request_key(request_id))
            if entry is None:
                return None
            table, first, count = entry
            if count != len(labels):
                raise LabelsError(f"has {len(labels)} labels; the answer has {count}, one for each row of the request")
            turn = first // table.rows_a_slot
            places = [row % table.ring_size for row in range(first, first + count)]
            self._slots.matched()
            # All rows of an answer are labelled together, so the first row tells.
            if table.rows.is_labelled(places[0]):
                same = [table.rows.label(place) == label for place, label in zip(places, labels, strict=True)]
                if not all(same):
                    raise LabelsError(f"row {same.index(False)} had another label before; the first one counts")
                return LabelledAnswer(turn, [])
            answers = [table.rows.answer(place) for place in places]
            for place, label in zip(places, labels, strict=True):
                table.rows.set_label(place, label)
        return LabelledAnswer(turn, answers)

    def labels(self, request_id: str) -> list[Any] | None:
        """The labels of an answer's rows; None if it has none yet, or is unknown.

        The caller holds `SharedMemory.changing`, so that no label comes meanwhile.
        """
        entry = self._find(request_key(request_id))
        if entry is None:
            return None
        table, first, count = entry
        places = [row % table.ring_size for row in range(first, first + count)]
        return [table.rows.label(place) for place in places] if table.rows.is_labelled(places[0]) else None

    def _find(self, key: int) -> tuple[_Table, int, int] | None:
        turn = self._slots.turn()
        for table in self._tables:
            rows = table.find(key, turn)
            if rows is not None:
                return table, *rows
        return None
