"""How wrong an answer was once its truth is known: the bounded loss that the contract names, and where it counts.

The judge reads losses by the grid `LABEL_LOSSES`; a loss between two of them counts in part for each, so that means are
exact. An answer of two words is counted by score bin and word instead, of which the judge knows the loss.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from components.package.answers import AbsoluteError, ClassTarget
from components.package.model_package import Contract
from components.spec.contract import BRIER_LOSSES, SCORE_EDGES
from services import telemetry

#: A loss between two of `LABEL_LOSSES`: the index of the lower one, and the part that counts for the upper one.
Part = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Graded:
    """The losses of an answer's rows, and for each the cells that it counts in, with the part of a row.

    `capped` is the number of rows whose loss would be above 1 if it were not bounded.
    """

    parts: list[Part]
    cells: list[tuple[int, float]]
    capped: int = 0


class Grader(Protocol):
    """The grading of one contract; `cells` are the labels `bin` and `label` of the metric by which losses are told."""

    cells: tuple[tuple[str, str], ...]

    def grade(self, answers: Sequence[Any], labels: Sequence[Any]) -> Graded:
        """Grades an answer's rows, as `RecentAnswers` kept them, by their labels."""


def split(loss: float) -> Part:
    """The place of a loss among `LABEL_LOSSES`."""
    losses = telemetry.LABEL_LOSSES
    low = min(bisect_right(losses, loss), len(losses) - 1) - 1
    return low, (loss - losses[low]) / (losses[low + 1] - losses[low])


class WordGrader:
    """The Brier loss of a probability, told by its bin and the word; an answer was kept as its bin."""

    cells = tuple((str(place), word) for place in range(len(SCORE_EDGES)) for word in ("negative", "positive"))
    #: By score bin and label, as `BRIER_LOSSES`.
    _parts: Final = tuple(split(loss) for loss in BRIER_LOSSES)

    def grade(self, answers: Sequence[int], labels: Sequence[bool]) -> Graded:
        """Grades bins by whether the positive word was right."""
        places = [2 * place + positive for place, positive in zip(answers, labels, strict=True)]
        return Graded([self._parts[place] for place in places], [(place, 1.0) for place in places])


class _LossGrader:
    """A loss told by the grid itself."""

    cells = tuple((str(place), "loss") for place in range(len(telemetry.LABEL_LOSSES)))

    def _graded(self, losses: Sequence[float]) -> Graded:
        parts = [split(min(loss, 1.0)) for loss in losses]
        cells = [cell for low, upper in parts for cell in ((low, 1 - upper), (low + 1, upper))]
        return Graded(parts, cells, sum(loss > 1 for loss in losses))


class NumberGrader(_LossGrader):
    """The distance between a value and the truth, in parts of the contract's scale, at most 1."""

    def __init__(self, scale: float) -> None:
        self._scale = scale

    def grade(self, answers: Sequence[float], labels: Sequence[float]) -> Graded:
        """Grades values by the true ones."""
        return self._graded([abs(value - true) / self._scale for value, true in zip(answers, labels, strict=True)])


class ClassGrader(_LossGrader):
    """The Brier score over the classes; an answer was kept as their probabilities."""

    def grade(self, answers: Sequence[Sequence[float]], labels: Sequence[int]) -> Graded:
        """Grades rows of probabilities by the place of the right class."""
        return self._graded(
            [
                (sum(score * score for score in row) - 2 * row[place] + 1) / 2
                for row, place in zip(answers, labels, strict=True)
            ]
        )


def grader_of(contract: Contract) -> Grader:
    """The grading of a contract."""
    if isinstance(contract.loss, AbsoluteError):
        return NumberGrader(contract.loss.scale)
    return ClassGrader() if isinstance(contract.target, ClassTarget) else WordGrader()
