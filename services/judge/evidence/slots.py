"""Numbers that a server tells by slots of time, in a ring that it overwrites: which time each of them belongs to.

A server cannot know the weights of a rollout, so it tells when it got its requests, and when it gave the answers
whose labels came back. The judge then finds the weight that was set at that time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services import telemetry
from services.judge.evidence.counts import LOSSES

Row = NDArray[np.float64]
#: Columns of a slot's row in `Slotted.labels`: labelled answers by loss, and all answers that labels may come back for.
REMEMBERED_AT = LOSSES
#: A server may be ahead of the time at which its page is said to be read: its clock is, or the page came late. The
#: oldest slots are not believed, for so much ahead they may be the newest, with next to nothing in them.
_AHEAD_SECONDS = 4.0


@dataclass(frozen=True)
class Slotted:
    """What one page tells by slots; a slot is numbered from 1970, and slot n begins at n times the slots' length.

    `labels` has a row for each slot with answers that labels may come back for; `label_seconds` is the length of its
    slots, 0 where the server does not tell labels in this way. `arrived` is empty where it does not tell arrivals.
    """

    label_seconds: float
    labels: dict[int, Row]
    arrived: dict[int, float]


@dataclass(frozen=True)
class SlotNumber:
    """One number of a ring: its place in it, the loss that it counts (or None), and its value."""

    place: int
    loss: int | None
    value: float


def slotted(at: float, label_seconds: float, labelled: Iterable[SlotNumber], arrived: Iterable[SlotNumber]) -> Slotted:
    """The numbers of a page that was read at a time (Unix seconds)."""
    labels: dict[int, Row] = {}
    if label_seconds > 0:
        for slot, number in _believed(labelled, at, label_seconds, telemetry.LABEL_SLOTS):
            row = labels.setdefault(slot, np.zeros(LOSSES + 1))
            row[REMEMBERED_AT if number.loss is None else number.loss] += number.value
    counted = _believed(arrived, at, telemetry.ARRIVED_SECONDS, telemetry.ARRIVED_SLOTS)
    return Slotted(label_seconds, labels, {slot: number.value for slot, number in counted})


def _believed(numbers: Iterable[SlotNumber], at: float, seconds: float, slots: int) -> Iterator[tuple[int, SlotNumber]]:
    """The numbers with their slots, up to that of a time; without those that may belong to later ones."""
    now, ahead = math.floor(at / seconds), math.floor((at + _AHEAD_SECONDS) / seconds)
    for number in numbers:
        slot = _slot(number.place, now, slots)
        if slot > ahead - slots:
            yield slot, number


def _slot(place: int, now: int, slots: int) -> int:
    """The newest slot up to `now` that has this place in a ring of so many slots."""
    return now - (now - place) % slots
