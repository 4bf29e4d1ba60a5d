"""Numbers by slots of time, in a ring in shared memory: a slot starts anew when time comes round to it again.

A slot of time is called by its turn: int(unix seconds // length of a slot). Its turn stands beside its numbers,
so nobody takes the numbers of an earlier round for those of the present one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


def ring_bytes(slots: int, cells: int) -> int:
    """Bytes of one worker's ring, with `cells` numbers in each slot."""
    return 8 * slots * (1 + cells)


class Ring:
    """One worker's numbers; only that worker writes them."""

    def __init__(self, memory: memoryview, slots: int, cells: int) -> None:
        """`memory` holds `ring_bytes`."""
        self.values = memory[: ring_bytes(slots, cells)].cast("d")
        self.slots, self._width = slots, 1 + cells

    def place(self, turn: int, newest: int) -> int | None:
        """The place in `values` of the first number of slot `turn`; None if `newest`, the present turn, is a round on.

        Empties a slot that still has the numbers of another round.
        """
        place = turn % self.slots * self._width
        if self.values[place] != turn:
            if newest - turn >= self.slots:
                return None
            # First the numbers, then the turn: a reader in between finds a slot of the other round, or an empty one.
            for cell in range(place + 1, place + self._width):
                self.values[cell] = 0
            self.values[place] = turn
        return place + 1

    def add(self, turn: int, newest: int, cell: int, amount: float) -> None:
        """Adds to a number of slot `turn`, unless the slot has left the ring at the present turn, `newest`."""
        place = self.place(turn, newest)
        if place is not None:
            self.values[place + cell] += amount


def ring_sums(rings: Sequence[Ring], newest: Callable[[], int]) -> list[list[float]]:
    """For each slot of the ring its numbers, summed over the workers; numbers of another round count as 0."""
    # Before the time is read, so that no worker can have begun a later turn.
    copies = [ring.values.tolist() for ring in rings]
    latest, slots, width = newest(), rings[0].slots, len(copies[0]) // rings[0].slots
    sums = []
    for slot in range(slots):
        turn = latest - (latest - slot) % slots
        here = [values[slot * width + 1 : (slot + 1) * width] for values in copies if values[slot * width] == turn]
        sums.append([sum(numbers) for numbers in zip(*here, strict=True)] if here else [0.0] * (width - 1))
    return sums
