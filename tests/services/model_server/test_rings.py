from __future__ import annotations

import pytest

from services.model_server.rings import Ring, ring_bytes, ring_sums

SLOTS = 4


def memory() -> memoryview:
    return memoryview(bytearray(ring_bytes(SLOTS, 2)))


def ring() -> Ring:
    return Ring(memory(), SLOTS, 2)


def firsts(*rings: Ring, newest: int) -> list[float]:
    """The first number of each slot."""
    return [numbers[0] for numbers in ring_sums(rings, lambda: newest)]


def test_a_number_stands_in_the_slot_of_its_turn() -> None:
    one = ring()
    one.add(101, 102, 0, 1)
    one.add(101, 102, 1, 0.5)
    one.add(102, 102, 0, 2)
    assert ring_sums([one], lambda: 102) == [[0, 0], [1, 0.5], [2, 0], [0, 0]]


def test_a_slot_starts_anew_when_its_turn_comes_again() -> None:
    one = ring()
    one.add(101, 101, 0, 5)
    one.add(101, 101, 1, 5)
    one.add(105, 105, 0, 1)
    assert ring_sums([one], lambda: 105) == [[0, 0], [1, 0], [0, 0], [0, 0]]


def test_an_earlier_round_is_not_told_although_nobody_emptied_it() -> None:
    one = ring()
    one.add(101, 101, 0, 5)
    assert firsts(one, newest=104) == [0, 5, 0, 0]
    assert firsts(one, newest=105) == [0, 0, 0, 0]


def test_what_has_left_the_ring_is_not_counted() -> None:
    one = ring()
    one.add(105, 105, 0, 1)
    one.add(101, 105, 0, 9)
    one.add(100, 105, 0, 9)
    one.add(102, 105, 0, 2)
    assert firsts(one, newest=105) == [0, 1, 2, 0]


def test_workers_are_summed_each_by_its_own_round() -> None:
    """One worker has come to the new round, another one still has the numbers of the old one."""
    new, old = ring(), ring()
    old.add(101, 101, 0, 50)
    old.add(104, 104, 0, 3)
    new.add(105, 105, 0, 1)
    new.add(104, 105, 0, 4)
    assert firsts(new, old, newest=105) == [7, 1, 0, 0]


def test_a_worker_that_takes_the_memory_over_goes_on_counting() -> None:
    shared = memory()
    Ring(shared, SLOTS, 2).add(101, 101, 0, 5)
    again = Ring(shared, SLOTS, 2)
    again.add(101, 102, 0, 1)
    assert firsts(again, newest=102) == [0, 6, 0, 0]
    again.add(105, 105, 0, 1)
    assert firsts(again, newest=105) == [0, 1, 0, 0]


@pytest.mark.parametrize("back", [1, 400])
def test_a_clock_that_is_set_back_does_not_stop_the_counting(back: int) -> None:
    one = ring()
    one.add(1000, 1000, 0, 5)
    one.add(1000 - back, 1000 - back, 0, 1)
    assert sum(firsts(one, newest=1000 - back)) == 1
