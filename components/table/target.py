"""Reads a table's target: words as 0 and 1, classes as numbers from 0, or numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.errors import DataError
from components.spec.contract import Data
from components.spec.tasks import Task
from components.spec.values import category_text
from components.table.cells import category_column, name_rows, number_column

#: binary: 1 for the positive word, else 0; multiclass: the place among the classes; regression: float64.
Labels = NDArray[Any]


def labels_of(frame: pd.DataFrame, data: Data) -> Labels:
    """The target of each row; see `Labels`.

    Raises:
        DataError: no model can learn this target from the table; says what is wrong and what to do.
    """
    cells = _target(frame, data)
    if data.task == "regression":
        return _numbers(cells)
    texts = category_column(cells)
    if data.task == "multiclass":
        return _places(texts, data)
    negative_word(frame, data)
    positive: NDArray[np.int8] = (texts == positive_word(data)).astype(np.int8)
    return positive


def positive_word(data: Data) -> str:
    """The word whose probability the model answers, spelled as the table's cells are; of task binary only."""
    if data.positive is None:
        raise TypeError(f"task {data.task} has no positive word")
    return category_text(data.positive)


def negative_word(frame: pd.DataFrame, data: Data) -> str:
    """The target's negative word; of task binary only.

    Raises:
        DataError: no model can learn this target from the table; says what is wrong and what to do.
    """
    words, counts = np.unique(category_column(_target(frame, data)).astype(str), return_counts=True)
    return _other_word(data, dict(zip(words.tolist(), counts.tolist(), strict=True)))


def _target(frame: pd.DataFrame, data: Data) -> pd.Series:
    """The target's cells, none of which is missing."""
    if data.target not in frame.columns:
        raise DataError(
            f"column {data.target!r}, the target, is not in the table; it has {', '.join(map(str, frame.columns))}"
        )
    if frame.empty:
        raise DataError("the table has no rows; training needs at least some hundred")
    cells = frame[data.target]
    missing = np.flatnonzero(cells.isna())
    if len(missing):
        raise DataError(
            f"column {data.target!r}, the target, is missing in {len(missing):,} of {len(cells):,} rows "
            f"({name_rows(missing)}); remove those rows, they teach nothing"
        )
    return cells


def _other_word(data: Data, counts: Mapping[str, int]) -> str:
    positive = positive_word(data)
    seen = ", ".join(f"{word!r} ({count:,} rows)" for word, count in list(counts.items())[:5])
    if len(counts) == 1:
        raise DataError(f"column {data.target!r}, the target, holds one class only: {seen}; training needs two")
    if positive not in counts:
        raise DataError(
            f"column {data.target!r}, the target, never holds {positive!r} (data.positive); it holds {seen}"
        )
    if len(counts) > 2:
        more = f" and {len(counts) - 5} more" if len(counts) > 5 else ""
        raise DataError(
            f"column {data.target!r}, the target, holds {len(counts)} classes: {seen}{more}; task binary learns two, "
            "so join or remove the others, or write `task: multiclass` with all `classes`"
        )
    return next(word for word in counts if word != positive)


def _places(texts: NDArray[np.object_], data: Data) -> NDArray[np.int16]:
    index = {category_text(value): place for place, value in enumerate(data.classes)}
    words, counts = np.unique(texts.astype(str), return_counts=True)
    unknown = [f"{word!r} ({count:,} rows)" for word, count in zip(words, counts, strict=True) if word not in index]
    if unknown:
        raise DataError(
            f"column {data.target!r}, the target, holds {', '.join(unknown[:5])}, which data.classes does not name; "
            "name it there, or remove its rows"
        )
    never = [repr(word) for word in index if word not in set(words)]
    if never:
        raise DataError(
            f"column {data.target!r}, the target, never holds {', '.join(never[:5])} (data.classes), so no model can "
            "learn it; bring rows of it, or remove it"
        )
    return np.array([index[text] for text in texts], dtype=np.int16)


def _numbers(cells: pd.Series) -> NDArray[np.float64]:
    try:
        numbers = number_column(cells)
    except DataError as error:
        raise DataError(f"column {cells.name!r}, the target of task regression: {error}") from error
    infinite = np.flatnonzero(~np.isfinite(numbers))
    if len(infinite):
        raise DataError(f"column {cells.name!r}, the target, is not finite in {name_rows(infinite)}; remove those rows")
    if numbers.min() == numbers.max():
        raise DataError(f"column {cells.name!r}, the target, is always {numbers[0]:g}; there is nothing to learn")
    return numbers


def strata(labels: Labels, task: Task, most: int) -> NDArray[np.intp]:
    """A number for each row, by which rows are dealt evenly: its class, or which of `most` parts its number lies in."""
    if task != "regression":
        return labels.astype(np.intp)
    edges = np.unique(np.quantile(labels, np.linspace(0, 1, most + 1)[1:-1]))
    return np.searchsorted(edges, labels, side="left").astype(np.intp)


def rows_of_each(labels: Labels, task: Task, classes: int) -> NDArray[np.intp]:
    """The rows by class, also of those without any; of task regression all rows together."""
    if task == "regression":
        return np.array([len(labels)])
    return np.bincount(labels.astype(np.intp), minlength=2 if task == "binary" else classes)
