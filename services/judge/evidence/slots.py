"""Numbers that a server tells by slots of time, in a ring that it overwrites: which time each of them belongs to.

A server cannot know the weights of a rollout, so it tells when it got its requests, and when it gave the answers
whose labels came back. The judge then finds the weight that was set at that time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services import telemetry
from services.judge.evidence.counts import LOSSES

Row = NDArray[np.float64]
#: Columns of a slot's row in `Slotted.labels`: labelled answers by loss, and all answers that labels may come back for.
REMEMBERED_AT = LOSSES


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
        now = math.floor(at / label_seconds)
        for number in labelled:
            slot = _slot(number.place, now, telemetry.LABEL_SLOTS)
            row = labels.setdefault(slot, np.zeros(LOSSES + 1))
            row[REMEMBERED_AT if number.loss is None else number.loss] += number.value
    now = math.floor(at / telemetry.ARRIVED_SECONDS)
    return Slotted(
        label_seconds, labels,
        {_slot(number.place, now, telemetry.ARRIVED_SLOTS): number.value for number in arrived},
    )  # fmt: skip


def _slot(place: int, now: int, slots: int) -> int:
    """The newest slot up to `now` that has this place in a ring of so many slots."""
    return now - (now - place) % slots
