"""Training examples: a table's features in their types, and its answers as 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.errors import DataError
from components.spec.contract import Data, DateFeature, Feature, Spec
from components.spec.values import category_text, days_to_moments
from components.table.cells import category_column, feature_columns, name_rows

Columns = dict[str, NDArray[Any]]
Labels = NDArray[np.int8]


@dataclass(frozen=True)
class Examples:
    """Rows in three views, all in the same order.

    Attributes:
        frame: the table's own columns, as `components.table.cells` reads them.
        columns: the features: text or None, float64 or NaN, datetime64[us] or NaT.
        labels: 1 for the positive answer, 0 for the other, int8 [rows].
        unanswered: the rows of the table that have no target, and were left out.
        places: the row of the table that each of these rows is, from 0; None: they are the same.
    """

    frame: pd.DataFrame
    columns: Columns
    labels: Labels
    unanswered: int = 0
    places: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[Any]) -> Examples:
        """Some of the rows, by position or by a mask."""
        frame = self.frame.loc[rows] if rows.dtype == bool else self.frame.iloc[rows]
        return Examples(
            frame.reset_index(drop=True), {name: cells[rows] for name, cells in self.columns.items()}, self.labels[rows]
        )


def examples_of(frame: pd.DataFrame, spec: Spec) -> Examples:
    """The examples in a table.

    Raises:
        DataError: a column is missing or contradicts the spec.
    """
    answered, places = answered_rows(frame, spec.data.target)
    columns, labels = typed_columns(answered, spec.features), labels_of(answered, spec.data)
    return Examples(answered, columns, labels, len(frame) - len(answered), places)


def answered_rows(frame: pd.DataFrame, target: str) -> tuple[pd.DataFrame, NDArray[np.intp] | None]:
    """The rows that have a target, from which alone a model can learn, and their places; None if all rows have one."""
    if target not in frame.columns:
        return frame, None
    answered = frame[target].notna().to_numpy()
    if answered.all() or not answered.any():
        return frame, None
    return frame.loc[answered].reset_index(drop=True), np.flatnonzero(answered)


def typed_columns(frame: pd.DataFrame, features: Mapping[str, Feature]) -> Columns:
    """The features' cells in the form that `encode_table` takes; dates become datetime64[us].

    Raises:
        DataError: a column is missing or a cell is not of the feature's type.
    """
    typed: Columns = dict(feature_columns(frame, features))
    for name, feature in features.items():
        if isinstance(feature, DateFeature):
            typed[name] = days_to_moments(typed[name])
    return typed


def labels_of(frame: pd.DataFrame, data: Data) -> Labels:
    """1 where the target is the positive word, else 0.

    Raises:
        DataError: the target is missing, or its words are not `data.positive` and one other.
    """
    negative_word(frame, data)
    positive: Labels = (category_column(frame[data.target]) == category_text(data.positive)).astype(np.int8)
    return positive


def negative_word(frame: pd.DataFrame, data: Data) -> str:
    """The target's negative word.

    Raises:
        DataError: no model can learn this target from the table; says what is wrong and what to do.
    """
    if data.target not in frame.columns:
        raise DataError(
            f"column {data.target!r}, the target, is not in the table; it has {', '.join(map(str, frame.columns))}"
        )
    if frame.empty:
        raise DataError("the table has no rows; training needs at least some hundred")
    cells = category_column(frame[data.target])
    _refuse_unlabelled(cells, data.target)
    words, counts = np.unique(cells.astype(str), return_counts=True)
    return _other_word(data, dict(zip(words.tolist(), counts.tolist(), strict=True)))


def _refuse_unlabelled(cells: NDArray[Any], target: str) -> None:
    missing = np.flatnonzero(pd.isna(cells))
    if len(missing):
        raise DataError(
            f"column {target!r}, the target, is missing in {len(missing):,} of {len(cells):,} rows "
            f"({name_rows(missing)}); remove those rows, they teach nothing"
        )


def _other_word(data: Data, counts: Mapping[str, int]) -> str:
    positive = category_text(data.positive)
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
            f"column {data.target!r}, the target, holds {len(counts)} classes: {seen}{more}; "
            "only a target with two can be trained, so join or remove the others"
        )
    return next(word for word in counts if word != positive)
