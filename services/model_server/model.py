"""The loaded model: turns rows into answers, and checks that its golden requests are still answered correctly."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.features.encoding import RowEncoder
from components.package.model_package import TOLERANCE, Package, bin_of, open_graph, score_bin
from services.model_server.decoding import Row
from services.model_server.errors import ModelError

#: From this many scores on, numpy is faster than a loop.
_TOGETHER_ROWS = 16
#: About how many rows `Model.seconds_a_row` times.
_TIMED_ROWS = 256


@dataclass(frozen=True, slots=True)
class GoldenMismatch:
    """A golden request with a wrong answer."""

    line: int
    expected: float
    answered: float


class Model:
    """One package's graph, with the encoding before it and the wording of answers after it."""

    def __init__(self, package: Package, version: str) -> None:
        """Raises PackageError when the graph cannot be loaded."""
        contract = package.contract
        self._package = package
        self._encoder = RowEncoder(contract.encoding)
        self._graph = open_graph(package)
        self._threshold = contract.threshold
        self._positive = f',"label":{json.dumps(contract.target.positive)},"version":{json.dumps(version)}}}'
        self._negative = f',"label":{json.dumps(contract.target.negative)},"version":{json.dumps(version)}}}'

    def encode(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Encodes rows in the contract's order: float32 [rows, width]."""
        return self._encoder.encode(rows)

    def scores(self, encoded: NDArray[np.float32]) -> list[float]:
        """Probabilities of the positive class, one for each encoded row.

        Raises:
            ModelError: a score is not a probability.
        """
        scores: list[float] = self._graph.probabilities(encoded).tolist()
        for score in scores:
            # Not `score < 0 or ...`: NaN must fail as well.
            if not 0 <= score <= 1 + TOLERANCE:
                raise ModelError("the graph's output is no probability")
        return scores

    def answer(self, scores: Sequence[float], *, single: bool) -> str:
        """The answer as JSON, with seven digits of each float32 score."""
        threshold, positive, negative = self._threshold, self._positive, self._negative
        if single:
            (score,) = scores
            return f'{{"probability":{score:.7g}{positive if score >= threshold else negative}'
        parts = [f'{{"probability":{score:.7g}{positive if score >= threshold else negative}' for score in scores]
        return f"[{','.join(parts)}]"

    def golden_mismatches(self) -> list[GoldenMismatch]:
        """The golden requests with wrong answers, asked one by one and then all as one batch."""
        rows = self._golden_rows()
        together = self.scores(self.encode(rows))
        alone = [self.scores(self.encode([row]))[0] for row in rows]
        expected = [row.answer.probability for row in self._package.golden]
        return [
            GoldenMismatch(line=line, expected=right, answered=answered)
            for answers in (alone, together)
            for line, (right, answered) in enumerate(zip(expected, answers, strict=True), 1)
            if abs(right - answered) > TOLERANCE
        ]

    def seconds_a_row(self) -> float:
        """Measures the graph's seconds for one row of a large batch, made of the golden requests."""
        golden = self.encode(self._golden_rows())
        encoded = np.tile(golden, (_TIMED_ROWS // len(golden) + 1, 1))
        start = time.perf_counter()
        self._graph.probabilities(encoded)
        return (time.perf_counter() - start) / len(encoded)

    def _golden_rows(self) -> list[Row]:
        names = self._encoder.names
        return [tuple(row.request.get(name) for name in names) for row in self._package.golden]


def bins_of(scores: Sequence[float]) -> list[int]:
    """The bin of each score; scores slightly above 1 (float32 sums) count as 1."""
    if len(scores) >= _TOGETHER_ROWS:
        bins: list[int] = score_bin(scores).tolist()
        return bins
    return [bin_of(min(score, 1.0)) for score in scores]
