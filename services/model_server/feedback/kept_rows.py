"""The memory of each answered row until its label comes: what is needed to grade it, and the label.

A row of two words takes one byte, its bin; a number takes its value; classes take their probabilities.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from components.package.answers import ClassTarget, NumberTarget
from components.package.model_package import Contract

# A row's byte in the ring: its bin, whether its label came back, and whether that label is positive.
_BIN: Final = 0x3F
_POSITIVE: Final = 0x40
_LABELLED: Final = 0x80
#: A probability is kept as a part of this, which moves a loss by less than 1e-4.
_ONE: Final = 0xFFFF


class KeptRows(Protocol):
    """The rows of one worker's ring; a place is a number from 0."""

    def put(self, place: int, answers: Sequence[Any]) -> None:
        """Keeps answers from a place on, without labels."""

    def is_labelled(self, place: int) -> bool:
        """Whether a row has its label."""

    def answer(self, place: int) -> Any:
        """What was kept of a row."""

    def label(self, place: int) -> Any:
        """The label of a row that has one."""

    def set_label(self, place: int, label: Any) -> None:
        """Labels a row."""


@dataclass(frozen=True)
class RowKind:
    """How rows are kept: the bytes that each takes, and what makes them of the memory for so many rows."""

    bytes_a_row: int
    open: Callable[[memoryview, int], KeptRows]


class WordRows:
    """Score bins of two words, a byte each."""

    def __init__(self, memory: memoryview, rows: int) -> None:
        self._ring = memory[:rows]

    def put(self, place: int, answers: Sequence[int]) -> None:
        """Keeps score bins."""
        if len(answers) == 1:
            self._ring[place] = answers[0]
        else:
            self._ring[place : place + len(answers)] = bytes(answers)

    def is_labelled(self, place: int) -> bool:
        """Whether a row has its label."""
        return bool(self._ring[place] & _LABELLED)

    def answer(self, place: int) -> int:
        """The score bin."""
        return self._ring[place] & _BIN

    def label(self, place: int) -> bool:
        """Whether the label is the positive word."""
        return bool(self._ring[place] & _POSITIVE)

    def set_label(self, place: int, label: bool) -> None:
        """Labels a row."""
        self._ring[place] |= _LABELLED | (_POSITIVE if label else 0)


class NumberRows:
    """Values and their labels, eight bytes each; a label that is not there is NaN."""

    def __init__(self, memory: memoryview, rows: int) -> None:
        self._values = memory[: 8 * rows].cast("d")
        self._labels = memory[8 * rows : 16 * rows].cast("d")

    def put(self, place: int, answers: Sequence[float]) -> None:
        """Keeps values."""
        end = place + len(answers)
        self._values[place:end] = memoryview(array("d", answers))
        self._labels[place:end] = memoryview(array("d", [math.nan]) * len(answers))

    def is_labelled(self, place: int) -> bool:
        """Whether a row has its label."""
        return not math.isnan(self._labels[place])

    def answer(self, place: int) -> float:
        """The value."""
        return self._values[place]

    def label(self, place: int) -> float:
        """The true value."""
        return self._labels[place]

    def set_label(self, place: int, label: float) -> None:
        """Labels a row."""
        self._labels[place] = label


class ClassRows:
    """Probabilities of classes, two bytes each, and then the place of the right class plus 1, or 0."""

    def __init__(self, memory: memoryview, rows: int, classes: int) -> None:
        self._wide = classes + 1
        self._numbers = memory[: 2 * self._wide * rows].cast("H")

    def put(self, place: int, answers: Sequence[Sequence[float]]) -> None:
        """Keeps rows of probabilities."""
        kept = array("H", [number for row in answers for number in (*(int(p * _ONE + 0.5) for p in row), 0)])
        start = place * self._wide
        self._numbers[start : start + len(kept)] = memoryview(kept)

    def is_labelled(self, place: int) -> bool:
        """Whether a row has its label."""
        return self._numbers[(place + 1) * self._wide - 1] > 0

    def answer(self, place: int) -> list[float]:
        """The probabilities."""
        start = place * self._wide
        return [number / _ONE for number in self._numbers[start : start + self._wide - 1]]

    def label(self, place: int) -> int:
        """The place of the right class."""
        return self._numbers[(place + 1) * self._wide - 1] - 1

    def set_label(self, place: int, label: int) -> None:
        """Labels a row."""
        self._numbers[(place + 1) * self._wide - 1] = label + 1


WORD_ROWS: Final = RowKind(1, WordRows)


def kind_of(contract: Contract) -> RowKind:
    """How the rows of a contract are kept."""
    target = contract.target
    if isinstance(target, NumberTarget):
        return RowKind(16, NumberRows)
    if isinstance(target, ClassTarget):
        classes = len(target.classes)
        return RowKind(2 * (classes + 1), lambda memory, rows: ClassRows(memory, rows, classes))
    return WORD_ROWS
