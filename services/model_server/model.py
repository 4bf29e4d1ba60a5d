"""The loaded model: turns rows into answers, and checks that its golden requests are still answered correctly."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.features.encoding import RowEncoder
from components.package.answers import outputs_of
from components.package.model_package import Package, open_graph
from services.model_server.decoding import Row
from services.model_server.wording import Scores, wording_of

#: About how many rows `Model.seconds_a_row` times.
_TIMED_ROWS = 256


@dataclass(frozen=True, slots=True)
class GoldenMismatch:
    """A golden request with a wrong answer."""

    line: int
    expected: float
    answered: float


class Model:
    """One package's graph, with the encoding before it and the wording of answers after it.

    Attributes:
        bins: a function from a request's scores to the bins that they are counted in.
        answer: a function from a request's scores to its answer as JSON.
    """

    def __init__(self, package: Package, version: str) -> None:
        """Raises PackageError when the graph cannot be loaded."""
        contract = package.contract
        self._package = package
        self._encoder = RowEncoder(contract.encoding)
        self._graph = open_graph(package)
        wording = wording_of(contract, version)
        self._worded, self.answer, self.bins = wording.scores, wording.answer, contract.counted.listed

    def encode(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Encodes rows in the contract's order: float32 [rows, width]."""
        return self._encoder.encode(rows)

    def scores(self, encoded: NDArray[np.float32]) -> Scores:
        """The scores of encoded rows, one for each.

        Raises:
            ModelError: a score is no answer of the contract's task.
        """
        return self._worded(self._graph.predict(encoded))

    def golden_mismatches(self) -> list[GoldenMismatch]:
        """The golden requests with wrong answers, asked one by one and then all as one batch."""
        rows = self._golden_rows()
        together = self.scores(self.encode(rows))
        alone = [self.scores(self.encode([row]))[0] for row in rows]
        expected = outputs_of([row.answer for row in self._package.golden]).reshape(len(rows), -1)
        return [mismatch for answers in (alone, together) for mismatch in self._mismatches(expected, answers)]

    def _mismatches(self, expected: NDArray[np.float64], answers: Scores) -> list[GoldenMismatch]:
        given = np.array(answers, dtype=np.float64).reshape(expected.shape)
        apart = np.abs(given - expected)
        worst = apart.argmax(axis=1)
        return [
            GoldenMismatch(line=row + 1, expected=float(expected[row, at]), answered=float(given[row, at]))
            for row, at in enumerate(worst.tolist())
            if not apart[row, at] <= self._package.contract.tolerance
        ]

    def seconds_a_row(self) -> float:
        """Measures the graph's seconds for one row of a large batch, made of the golden requests."""
        golden = self.encode(self._golden_rows())
        encoded = np.tile(golden, (_TIMED_ROWS // len(golden) + 1, 1))
        start = time.perf_counter()
        self._graph.predict(encoded)
        return (time.perf_counter() - start) / len(encoded)

    def _golden_rows(self) -> list[Row]:
        names = self._encoder.names
        return [tuple(row.request.get(name) for name in names) for row in self._package.golden]
