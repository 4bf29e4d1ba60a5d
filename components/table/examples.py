"""Training examples: a table's features in their types, and its target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    """

    frame: pd.DataFrame
    columns: Columns
    labels: Labels

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
    return Examples(frame, typed_columns(frame, spec.features), labels_of(frame, spec.data))


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
