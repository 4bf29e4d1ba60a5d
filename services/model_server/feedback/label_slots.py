"""What is remembered and what is labelled of the answers of each slot of time, and its text for Prometheus.

A label belongs to the time of its answer, not to the time at which it came: only so can it be attributed to the
share of traffic that a version had when it answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from services import telemetry
from services.model_server.feedback.grading import Part
from services.model_server.metrics_text import escaped, family
from services.model_server.rings import Ring, ring_bytes, ring_sums
from services.model_server.shared import SharedMemory

#: A slot's numbers: remembered answers, their rows, and labelled answers by loss.
ANSWERS, ROWS, _LOSSES = range(3)
_CELLS: Final = _LOSSES + len(telemetry.LABEL_LOSSES)
#: Bytes of one worker's numbers; the first number says whether any feedback has matched.
LABEL_SLOTS_BYTES: Final = 8 + ring_bytes(telemetry.LABEL_SLOTS, _CELLS)


class LabelSlots:
    """The numbers of all workers; this worker writes its own."""

    def __init__(
        self, shared: SharedMemory, offset: int, seconds: float, wall: Callable[[], float] = time.time
    ) -> None:
        """Each worker's memory holds `LABEL_SLOTS_BYTES` from `offset` on; `wall` gives unix seconds."""
        memories = [slot[offset : offset + LABEL_SLOTS_BYTES] for slot in shared.slots]
        self._any = [memory[:8].cast("d") for memory in memories]
        self._rings = [Ring(memory[8:], telemetry.LABEL_SLOTS, _CELLS) for memory in memories]
        self._own, self.ring = self._any[shared.own], self._rings[shared.own]
        self.seconds, self._wall = seconds, wall

    def turn(self) -> int:
        """The turn of the present slot, as in `rings`."""
        return int(self._wall() // self.seconds)

    def matched(self) -> None:
        """Notes that an answer was found for feedback; before that, nothing is told of what is remembered."""
        self._own[0] = 1

    def labelled(self, turn: int, parts: Sequence[Part]) -> None:
        """Counts the losses of an answer that was given in slot `turn`; all its rows together count one."""
        counts = [0.0] * len(telemetry.LABEL_LOSSES)
        for low, upper in parts:
            counts[low] += (1 - upper) / len(parts)
            counts[low + 1] += upper / len(parts)
        newest = self.turn()
        for loss, count in enumerate(counts):
            self.ring.add(turn, newest, _LOSSES + loss, count)

    def totals(self) -> list[tuple[float, list[float]]] | None:
        """For each slot the remembered answers and the labelled ones by loss; None before any feedback has matched."""
        if not any(values[0] for values in self._any):
            return None
        return [(numbers[ANSWERS], numbers[_LOSSES:]) for numbers in ring_sums(self._rings, self.turn)]


class LabelSlotsPage:
    """The numbers of all workers under the names of `services.telemetry`, in Prometheus's text format.

    There may be a thousand samples. The client library takes twelve milliseconds to write them, in which no request is
    answered; this takes one.
    """

    def __init__(self, slots: LabelSlots, service: str, version: str) -> None:
        self._slots, self._labels = slots, f'service="{escaped(service)}",version="{version}"'

    def text(self) -> str:
        """The length of a slot and, once any feedback has matched, every number that is not 0."""
        labels, seconds = self._labels, {self._labels: self._slots.seconds}
        lines = family(telemetry.LABEL_SLOT_SECONDS, "gauge", "Seconds in a slot of labels.", seconds)
        totals = self._slots.totals()
        if totals is not None:
            remembered = {f'{labels},slot="{slot}"': count for slot, (count, _) in enumerate(totals) if count}
            text = "Answers of each slot that feedback can be matched with."
            lines += family(telemetry.REMEMBERED, "gauge", text, remembered)
            labelled = {
                f'{labels},slot="{slot}",loss="{loss}"': count
                for slot, (_, counts) in enumerate(totals)
                for loss, count in enumerate(counts)
                if count
            }
            lines += family(
                telemetry.LABELLED, "gauge", "Labelled answers by the slot of the answer and by loss.", labelled
            )
        return "\n".join(lines) + "\n"
