"""What callers send as the truth of a row, by the task of the contract: a word of the target, or a number."""

from __future__ import annotations

import math
from typing import Any, Protocol

from components.package.answers import ClassTarget, Target
from components.package.model_package import Contract
from components.spec.values import category_text


class Truth(Protocol):
    """The truths of one contract.

    Attributes:
        field: the key of a feedback message that holds them.
        form: what a message must look like.
        allowed: the values that a truth may have, in words.
    """

    field: str
    form: str
    allowed: str

    def written(self, value: Any) -> Any:
        """A value as it is kept and forwarded; None if no contract of this kind could mean it."""

    def label(self, written: Any) -> Any:
        """What the value means under this contract; None if it is none of its truths."""

    def schema(self) -> dict[str, Any]:
        """The JSON schema of one truth."""


class WordTruth:
    """A word: which of two is told as a boolean, which of several classes by its place."""

    field = "label"
    form = '{"request_id": text, "label": text or a list of texts}'

    def __init__(self, contract: Contract) -> None:
        target = contract.target
        labels: dict[str, Any] = {}
        if isinstance(target, Target):
            labels = {target.negative: False, target.positive: True}
        elif isinstance(target, ClassTarget):
            labels = {name: place for place, name in enumerate(target.classes)}
        self._labels, self.allowed = labels, f"one of {', '.join(labels)}"
        self._shown = [target.positive, target.negative] if isinstance(target, Target) else list(labels)

    def written(self, value: Any) -> Any:
        """The word's text; "" for what is no word."""
        return category_text(value) if isinstance(value, str | int) else ""

    def label(self, written: Any) -> Any:
        """Whether it is the positive word, or the class's place; None for another word."""
        return self._labels.get(written)

    def schema(self) -> dict[str, Any]:
        """The JSON schema of a word."""
        return {"type": "string", "enum": self._shown}


class NumberTruth:
    """A number in the target's unit."""

    field = "value"
    form = '{"request_id": text, "value": number or a list of numbers}'
    allowed = "a finite number"

    def written(self, value: Any) -> Any:
        """The number, or None."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    def label(self, written: Any) -> Any:
        """The number, or None."""
        return written if isinstance(written, float) else None

    def schema(self) -> dict[str, Any]:
        """The JSON schema of a number."""
        return {"type": "number"}


def truth_of(contract: Contract) -> Truth:
    """The truths of a contract."""
    return NumberTruth() if contract.task == "regression" else WordTruth(contract)
