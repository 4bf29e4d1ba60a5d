"""The target's two words, and the choice of the positive one."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from components.errors import DataError
from components.spec.contract import Data
from components.spec.values import CategoryValue
from components.table.cells import category_column
from components.table.target import negative_word

#: Words for an affirmative answer, in lower case.
POSITIVE_WORDS = frozenset(
    {"1", "yes", "y", "true", "t", "positive", "pos", "bad", "default", "churned", "fraud", "left"}
)

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


def find_target(frame: pd.DataFrame, name: str, positive: str | None) -> TargetColumn:
    """The target of a table; `positive` is the word that a person chose, if any.

    Raises:
        DataError: the target is missing, has gaps or does not have two words; or `positive` is not one of them.
    """
    if name not in frame.columns:
        raise DataError(f"column {name!r}, the target, is not in the table; {_nearest(name, list(frame.columns))}")
    words = Counter(text for text in category_column(frame[name]) if text is not None)
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
