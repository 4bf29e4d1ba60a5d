"""Counts answers in bins, the same ones in training, on the hold-out, in the server and in the shadow.

A bin has a name, which is the `bin` of the metrics: a number for one of several bins in order, in which an answer is
compared by whether it lies at or below the bin's edge; `label:` and a number for a class, in which it is compared by
whether it names that class.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.package.answers import TOLERANCE, Outputs
from components.spec.contract import CLASS_BIN, SCORE_EDGES

#: Upper edges of the score bins for comparisons, with a tolerance: converters differ
#: in the last digits, and a forest's scores lie exactly on edges such as 0.1.
BIN_EDGES: Final = tuple(edge + TOLERANCE for edge in SCORE_EDGES)
#: From this many answers on, numpy is faster than a loop.
_TOGETHER_ROWS: Final = 16


class Bins(Protocol):
    """The bins of one contract.

    Attributes:
        names: their names in metrics.
        groups: the bins that each row is counted in; the bins in order come first.
        edges: the upper edges of the bins in order; the last is infinite where answers have no end.
    """

    names: tuple[str, ...]
    groups: int
    edges: tuple[float, ...]

    def places(self, outputs: Outputs) -> NDArray[np.intp]:
        """The bins of each row: [rows, groups]."""

    def listed(self, answers: Sequence[Any]) -> list[int]:
        """The bins of a request's answers one after the other, as fast as can be: rows x groups numbers."""


class ProbabilityBins:
    """The bins of the probability of one word: those of `SCORE_EDGES`, for every model."""

    names = tuple(map(str, range(len(SCORE_EDGES))))
    groups = 1
    edges = SCORE_EDGES

    def places(self, outputs: Outputs) -> NDArray[np.intp]:
        """The bins of each row: [rows, 1]."""
        return score_bin(outputs)[:, None]

    def listed(self, answers: Sequence[float]) -> list[int]:
        """The bin of each score; scores slightly above 1 (float32 sums) count as 1."""
        if len(answers) >= _TOGETHER_ROWS:
            bins: list[int] = score_bin(answers).tolist()
            return bins
        return [bin_of(min(score, 1.0)) for score in answers]


class QuantileBins:
    """The bins of a value, by the edges of its contract and the tolerance there."""

    groups = 1

    def __init__(self, edges: Sequence[float], tolerance: float) -> None:
        self.names = tuple(map(str, range(len(edges) + 1)))
        self.edges = (*edges, float("inf"))
        self._compared = tuple(edge + tolerance for edge in edges)

    def places(self, outputs: Outputs) -> NDArray[np.intp]:
        """The bins of each row: [rows, 1]."""
        return np.searchsorted(self._compared, np.asarray(outputs, dtype=np.float64), side="left")[:, None]

    def listed(self, answers: Sequence[float]) -> list[int]:
        """The bin of each value."""
        compared = self._compared
        return [bisect_left(compared, value) for value in answers]


class TopBins:
    """The bins of probabilities of classes: of the largest one, then one for each class that may have it."""

    groups = 2

    def __init__(self, edges: Sequence[float], classes: int) -> None:
        ordered = len(edges) + 1
        self.names = (*map(str, range(ordered)), *(f"{CLASS_BIN}{place}" for place in range(classes)))
        self.edges = (*edges, 1.0)
        self._first, self._compared = ordered, tuple(edge + TOLERANCE for edge in edges)

    def places(self, outputs: Outputs) -> NDArray[np.intp]:
        """The bins of each row: that of its largest probability, and that of its class; [rows, 2]."""
        top = np.searchsorted(self._compared, outputs.max(axis=1).astype(np.float64), side="left")
        return np.stack([top, self._first + outputs.argmax(axis=1)], axis=1)

    def listed(self, answers: Sequence[Sequence[float]]) -> list[int]:
        """Two bins for each row, one after the other."""
        found = []
        for row in answers:
            largest = max(row)
            found += [bisect_left(self._compared, largest), self._first + row.index(largest)]
        return found


def counts(bins: Bins, outputs: Outputs) -> list[int]:
    """The number of rows in each bin; each row is in one bin of each group."""
    numbers: list[int] = np.bincount(bins.places(outputs).ravel(), minlength=len(bins.names)).tolist()
    return numbers


def compared(bins: Bins, outputs: Outputs) -> NDArray[np.float64]:
    """What two versions are compared by, for each row and bin: 1 at or below its edge, or in its class; else 0."""
    places, ordered = bins.places(outputs), len(bins.edges)
    below = places[:, :1] <= np.arange(ordered)
    classes = np.arange(ordered, len(bins.names))
    named = [places[:, group : group + 1] == classes for group in range(1, bins.groups)]
    return np.concatenate([below, *named], axis=1).astype(np.float64)


def score_bin(probabilities: ArrayLike) -> NDArray[np.intp]:
    """For each score, the index into `SCORE_EDGES` of the first edge not below it, within `TOLERANCE`."""
    return np.searchsorted(BIN_EDGES, np.minimum(np.asarray(probabilities, dtype=np.float64), 1.0), side="left")


def bin_of(probability: float) -> int:
    """A faster `score_bin` for one score."""
    return bisect_left(BIN_EDGES, probability)
