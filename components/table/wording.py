"""How the words of a table are read: which ones stand for a gap, and which are values although they look like one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from components.spec.contract import CategoryFeature, Spec
from components.spec.values import category_text, cell_text

#: Digits with a leading zero are not a number: 01067 is a code, and would lose its zero.
NUMBER: Final = r"^[+-]?(0|[1-9]\d*|0?\.\d+|(0|[1-9]\d*)\.\d*)([eE][+-]?\d+)?$"
#: Cells that stand for a missing value in every column, stripped of white space. Infinity is among them because
#: JSON, and so a request, cannot hold it; the spellings are those of pandas, numpy and R.
MISSING_MARKERS: Final = (
    "", "?", "-", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "NULL", "null", "None",
    "inf", "-inf", "Inf", "-Inf", "Infinity", "-Infinity",
)  # fmt: skip
#: Cells that stand for a missing value where every other cell is a number, a boolean or a day. In a list of words
#: they may be words: "none" is an answer to "which option?".
MISSING_VALUES: Final = (
    "na", "Na", "nA", "N/a", "n/A", "N.A.", "n.a.", "N.A", "n.a", "#NA", "#N/A N/A", "none", "NONE", "nil", "Nil",
    "NIL", "Null", "(null)", "(NULL)", "<null>", "<NULL>", "[NULL]", "{NULL}", "\\N", ".", "..", "--", "---", "\u2013",
    "\u2014", "*",
    "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!", "#ERROR!", "#SPILL!", "1.#IND", "-1.#IND", "1.#QNAN",
    "-1.#QNAN", "missing", "Missing", "MISSING",
)  # fmt: skip
#: Markers that are words of a language, so a target may hold one as its other answer.
WORDS_OF_A_TARGET: Final = frozenset({"None", "none", "NONE", "nil", "missing", "Missing"})


@dataclass(frozen=True)
class ColumnReading:
    """How one column is read.

    Attributes:
        gaps: words for a gap, whatever else stands in the column.
        gaps_of_values: words for a gap where everything else is a number, a boolean or a day.
        values: words that are values of the column, even if they stand among the words for a gap.
        verbatim: whether every cell stays the text that it is.
        answers: whether it is the target, where "None" is an answer unless there are two others.
    """

    gaps: frozenset[str] = frozenset(MISSING_MARKERS)
    gaps_of_values: frozenset[str] = frozenset((*MISSING_MARKERS, *MISSING_VALUES))
    values: frozenset[str] = frozenset()
    verbatim: bool = False
    answers: bool = False


@dataclass(frozen=True)
class TableReading:
    """How a table is read: what its spec says, or what holds for every table.

    Attributes:
        gaps: words for a gap in every column; None: the usual ones.
        values: the values of columns with a closed list of them, by column.
        target: the column to predict, whose words are answers.
    """

    gaps: tuple[str, ...] | None = None
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    target: str | None = None

    def of(self, column: str) -> ColumnReading:
        """How a column is read."""
        values, answers = self.values.get(column, frozenset()), column == self.target
        verbatim = any(_is_odd_number(value) for value in values)
        if self.gaps is None:
            return ColumnReading(values=values, verbatim=verbatim, answers=answers)
        gaps = frozenset((*self.gaps, ""))
        return ColumnReading(gaps, gaps, values, verbatim, answers)


#: How a table is read of which no spec says anything.
USUAL_READING: Final = TableReading()


def _is_odd_number(value: str) -> bool:
    """Whether a word would be another one as a number: 1.10, 12E3."""
    return re.match(NUMBER, value) is not None and cell_text(float(value)) != value


def reading_of(spec: Spec) -> TableReading:
    """How a spec reads its table."""
    values = {
        name: frozenset(map(category_text, feature.values))
        for name, feature in spec.features.items()
        if isinstance(feature, CategoryFeature)
    }
    answers = spec.data.classes if spec.data.positive is None else (spec.data.positive,)
    values[spec.data.target] = frozenset(map(category_text, answers))
    return TableReading(spec.data.missing_values, values, spec.data.target)
