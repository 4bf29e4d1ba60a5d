"""Training examples: a table's features in their types, and its target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.spec.contract import DateFeature, Feature, Spec
from components.spec.values import days_to_moments
from components.table.cells import feature_columns
from components.table.target import Labels, labels_of

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Examples:
    """Rows in three views, all in the same order.

    Attributes:
        frame: the table's own columns, as `components.table.cells` reads them.
        columns: the features: text or None, float64 or NaN, datetime64[us] or NaT.
        labels: the target; 1 for the positive answer and 0 for the other, a class's place, or a number.
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
