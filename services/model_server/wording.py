"""Words a graph's outputs as a caller's answer, by the contract's task; one object, chosen when the model is loaded.

What is answered to a row is called its score: a probability, a value, or the probabilities of the classes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Protocol

from components.package.answers import TOLERANCE, ClassTarget, Outputs, PredictionInterval
from components.package.model_package import Contract
from services.model_server.errors import ModelError

Scores = list[Any]


class Wording(Protocol):
    """The wording of one contract's answers."""

    def scores(self, outputs: Outputs) -> Scores:
        """The scores in a graph's outputs, one for each row.

        Raises:
            ModelError: one of them is no answer of this task.
        """

    def answer(self, scores: Sequence[Any], *, single: bool) -> str:
        """The answer to a request as JSON: one object, or a list of them."""


def wording_of(contract: Contract, version: str) -> Wording:
    """The wording for a contract; `version` stands in every answer."""
    if contract.interval is not None:
        return NumberWording(contract.interval, version)
    if isinstance(contract.target, ClassTarget):
        return ClassWording(contract.target, version)
    return WordWording(contract, version)


class WordWording:
    """The probability of the positive word, one of the two words, and the decision where the contract has one."""

    def __init__(self, contract: Contract, version: str) -> None:
        self._threshold, end = contract.threshold, f',"version":{json.dumps(version)}}}'
        yes, no = (',"decision":true', ',"decision":false') if contract.decision else ("", "")
        self._positive = f',"label":{json.dumps(contract.words.positive)}{yes}{end}'
        self._negative = f',"label":{json.dumps(contract.words.negative)}{no}{end}'

    def scores(self, outputs: Outputs) -> Scores:
        """Probabilities of the positive word."""
        scores: list[float] = outputs.tolist()
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


class ClassWording:
    """The probability of each class, and the most likely one; of several alike the first."""

    def __init__(self, target: ClassTarget, version: str) -> None:
        names = ",".join(f"{json.dumps(name).replace('%', '%%')}:%.7g" for name in target.classes)
        self._form = f'{{"probabilities":{{{names}}},"label":'
        self._ends = [f'{json.dumps(name)},"version":{json.dumps(version)}}}' for name in target.classes]

    def scores(self, outputs: Outputs) -> Scores:
        """The probabilities of the classes, row by row."""
        scores: list[list[float]] = outputs.tolist()
        for row in scores:
            # Not `max(row) > 1 or ...`: NaN must fail as well.
            if not (all(0 <= score <= 1 + TOLERANCE for score in row) and abs(sum(row) - 1) <= len(row) * TOLERANCE):
                raise ModelError("the graph's output is no probability of each class")
        return scores

    def answer(self, scores: Sequence[list[float]], *, single: bool) -> str:
        """The answer as JSON, with seven digits of each float32 probability."""
        form, ends = self._form, self._ends
        parts = [form % tuple(row) + ends[row.index(max(row))] for row in scores]
        return parts[0] if single else f"[{','.join(parts)}]"


class NumberWording:
    """A value in the target's unit, with the interval around it."""

    def __init__(self, interval: PredictionInterval, version: str) -> None:
        self._around = interval.around
        self._end = f',"level":{json.dumps(interval.level)}}},"version":{json.dumps(version)}}}'

    def scores(self, outputs: Outputs) -> Scores:
        """Values in the target's unit."""
        scores: list[float] = outputs.tolist()
        if not all(map(math.isfinite, scores)):
            raise ModelError("the graph's output is no number")
        return scores

    def answer(self, scores: Sequence[float], *, single: bool) -> str:
        """The answer as JSON; the value with all its digits, the ends with ten, which nothing is compared by."""
        around, end, parts = self._around, self._end, []
        for value in scores:
            low, high = around(value)
            parts.append(f'{{"value":{value!r},"interval":{{"low":{low:.10g},"high":{high:.10g}{end}')
        return parts[0] if single else f"[{','.join(parts)}]"
