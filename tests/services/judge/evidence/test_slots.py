"""Which time a place in a server's ring belongs to."""

from __future__ import annotations

import pytest

from services import telemetry
from services.judge.evidence.slots import REMEMBERED_AT, SlotNumber, Slotted, slotted


def ring(clock: float) -> list[SlotNumber]:
    """The ring of a server at the time of its own clock: each slot holds its own number as its value."""
    newest = int(clock // telemetry.ARRIVED_SECONDS)
    kept = range(newest - telemetry.ARRIVED_SLOTS + 1, newest + 1)
    return [SlotNumber(slot % telemetry.ARRIVED_SLOTS, None, float(slot)) for slot in kept]


def read(at: float, ahead: float = 0.0) -> Slotted:
    return slotted(at, 0.0, [], ring(at + ahead))


def test_a_place_belongs_to_the_newest_slot_that_has_it() -> None:
    found = read(1001.0).arrived
    assert max(found) == 500
    assert all(value == slot for slot, value in found.items())


@pytest.mark.parametrize("at", [1000.0, 1000.5, 1001.0, 1001.9])
@pytest.mark.parametrize("ahead", [-1.0, -0.3, 0.3, 1.0, 3.9])
def test_a_clock_that_is_wrong_gives_no_slot_to_another_time(at: float, ahead: float) -> None:
    """The newest slot of a server that is ahead has the place of the oldest one that a reader expects."""
    found = read(at, ahead).arrived
    over = {slot: value for slot, value in found.items() if (slot + 1) * telemetry.ARRIVED_SECONDS <= at - 1}
    assert len(over) > 25
    assert all(value == slot for slot, value in over.items())


def test_a_clock_far_ahead_is_not_understood() -> None:
    """The negative twin: what is believed has a bound."""
    found = read(1000.0, ahead=8.0).arrived
    assert any(value != slot for slot, value in found.items())


def test_labels_are_told_by_loss_and_in_all() -> None:
    at, slot = 30_000.0, 1000
    place = slot % telemetry.LABEL_SLOTS
    numbers = [SlotNumber(place, 2, 5.0), SlotNumber(place, 2, 1.0), SlotNumber(place, None, 9.0)]
    found = slotted(at + 1, 30.0, numbers, [])
    assert (found.label_seconds, list(found.labels)) == (30.0, [slot])
    assert (found.labels[slot][2], found.labels[slot][REMEMBERED_AT], found.labels[slot].sum()) == (6.0, 9.0, 15.0)


def test_a_server_that_does_not_tell_labels_by_slots_has_none() -> None:
    assert slotted(1000.0, 0.0, [SlotNumber(3, 1, 5.0)], []).labels == {}
