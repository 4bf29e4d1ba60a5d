"""What the target asks for: one of two words and which is the positive one, a class, or a number."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from components.errors import DataError
from components.spec.contract import Data
from components.spec.tasks import FEWEST_CLASSES, MOST_CLASSES, Task
from components.spec.values import CategoryValue
from components.table.cells import category_column
from components.table.target import labels_of, negative_word

#: Words for an affirmative answer, in lower case.
POSITIVE_WORDS = frozenset(
    {"1", "yes", "y", "true", "t", "positive", "pos", "bad", "default", "churned", "fraud", "left"}
)

#: A target of whole numbers with at most so many different ones has classes.
MOST_CODES = 10
#: With fewer rows of a class nothing can be learned or shown.
FEWEST_OF_A_CLASS = 20
#: Beside any other number, 1 is a code of which nobody knows what it says.
OTHERS_OF_ONE = frozenset({"0", "-1"})

_WHOLE = re.compile(r"0|-?[1-9]\d*")


@dataclass(frozen=True)
class TargetColumn:
    """The column to predict.

    Attributes:
        name: the column's name.
        positive: the word whose probability the model answers, typed as in a request.
        negative: the other word.
        positives: number of rows with the positive word.
        reason: why this word is the positive one.
    """

    name: str
    positive: CategoryValue
    negative: CategoryValue
    positives: int
    reason: str


@dataclass(frozen=True)
class ClassColumn:
    """The column to predict, of several classes, typed as in a request; `rows` are those of each."""

    name: str
    classes: tuple[CategoryValue, ...]
    rows: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class NumberColumn:
    """The column to predict, of numbers from `low` to `high`."""

    name: str
    low: float
    high: float
    reason: str


AnyTarget = TargetColumn | ClassColumn | NumberColumn


def find_target(frame: pd.DataFrame, name: str, positive: str | None, task: Task | None = None) -> AnyTarget:
    """The target of a table; `positive` is the word and `task` the task that a person chose, if any.

    Raises:
        DataError: the target is missing, has gaps or does not suit the task; or `positive` is not one of its words.
    """
    if name not in frame.columns:
        raise DataError(f"column {name!r}, the target, is not in the table; {_nearest(name, list(frame.columns))}")
    words = Counter(text for text in category_column(frame[name]) if text is not None)
    chosen, reason = (task, "given") if task else _task(frame[name], words, positive)
    if chosen == "regression":
        numbers = labels_of(frame, Data(uri="-", task="regression", target=name))
        return NumberColumn(name, float(numbers.min()), float(numbers.max()), reason)
    if chosen == "multiclass":
        return _classes(frame, name, words, reason)
    return _two_words(frame, name, positive, words)


def _task(cells: pd.Series, words: Counter[str], positive: str | None) -> tuple[Task, str]:
    """The task that a target's cells suggest, and why."""
    if positive or len(words) <= 2:
        return "binary", "two values"
    numeric = pd.api.types.is_float_dtype(cells.dtype)
    if numeric and (len(words) > MOST_CODES or not all(_WHOLE.fullmatch(word) for word in words)):
        return "regression", f"numbers, {len(words):,} different ones"
    if len(words) > MOST_CLASSES:
        seen = ", ".join(repr(word) for word, _ in words.most_common(3))
        raise DataError(
            f"column {cells.name!r}, the target, holds {len(words):,} different texts, such as {seen}; a target "
            f"has two values, {FEWEST_CLASSES} to {MOST_CLASSES} classes, or numbers"
        )
    codes = "; are these amounts rather than classes? Then ask with TASK=regression" if numeric else ""
    return "multiclass", f"{len(words)} different values{codes}"


def _classes(frame: pd.DataFrame, name: str, words: Counter[str], reason: str) -> ClassColumn:
    typed = all(map(_WHOLE.fullmatch, words))
    ordered = sorted(words, key=int) if typed else sorted(words)
    if not FEWEST_CLASSES <= len(ordered) <= MOST_CLASSES:
        raise DataError(
            f"column {name!r}, the target, holds {len(ordered):,} classes; task multiclass takes {FEWEST_CLASSES} to "
            f"{MOST_CLASSES}"
        )
    classes: tuple[CategoryValue, ...] = tuple(int(word) for word in ordered) if typed else tuple(ordered)
    labels_of(frame, Data(uri="-", task="multiclass", target=name, classes=classes))
    rare = min(ordered, key=lambda word: words[word])
    if words[rare] < FEWEST_OF_A_CLASS:
        raise DataError(
            f"column {name!r}, the target: class {rare!r} stands in {words[rare]} rows only; at least "
            f"{FEWEST_OF_A_CLASS} are needed to learn it and to show that it was learned; join or remove it"
        )
    return ClassColumn(name, classes, tuple(words[word] for word in ordered), reason)


def data_of(target: AnyTarget) -> Data:
    """The target as the spec has it."""
    if isinstance(target, ClassColumn):
        return Data(uri="-", task="multiclass", target=target.name, classes=target.classes)
    if isinstance(target, NumberColumn):
        return Data(uri="-", task="regression", target=target.name)
    return Data(uri="-", target=target.name, positive=target.positive)


def _two_words(frame: pd.DataFrame, name: str, positive: str | None, words: Counter[str]) -> TargetColumn:
    word, reason = _given(positive, name, words) if positive else _guessed(words)
    data = Data(uri="-", target=name, positive=word)
    other = negative_word(frame, data)
    return TargetColumn(name, word_value(word, other), word_value(other, word), words[word], reason)


def _nearest(name: str, columns: list[str]) -> str:
    by_small = {column.lower(): column for column in columns}
    close = difflib.get_close_matches(name.lower(), by_small, n=1)
    return f"did you mean {by_small[close[0]]!r}?" if close else f"it has {', '.join(map(repr, columns))}"


def _given(positive: str, name: str, words: Counter[str]) -> tuple[str, str]:
    word = category_column(pd.Series([positive], dtype="str"))[0]
    if words and word not in words:
        seen = ", ".join(repr(text) for text, _ in words.most_common(5))
        raise DataError(f"column {name!r}, the target, never holds {positive!r}; the positive word is one of {seen}")
    return word, "given"


def _guessed(words: Counter[str]) -> tuple[str, str]:
    known = [word for word in words if word.lower() in POSITIVE_WORDS]
    others = [word for word in words if word not in known]
    if len(known) == 1 and (known[0] != "1" or OTHERS_OF_ONE.issuperset(others)):
        return known[0], "guessed from the word"
    rarer = min(sorted(words), key=lambda word: words[word], default="")
    if known:
        return rarer, "unsure: it is the rarer word; POSITIVE= names the other one"
    return rarer, "guessed: it is the rarer word"


def word_value(word: str, other: str) -> CategoryValue:
    """The word typed as in a request: boolean, whole number or text; both words have the same type."""
    if {word, other} == {"true", "false"}:
        return word == "true"
    return int(word) if _WHOLE.fullmatch(word) and _WHOLE.fullmatch(other) else word
