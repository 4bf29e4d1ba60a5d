"""Selects the columns that a model may learn from, without leaks and without second identifiers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from components.errors import DataError
from components.profile.columns import ColumnProfile, look_at
from components.spec.contract import Feature
from components.spec.tasks import Task
from components.table.cells import feature_columns
from components.table.target import Labels
from components.validation.leakage import single_feature_leak

#: From this area under the curve on, a single column predicts the target suspiciously well.
SUSPICIOUS_AUC = 0.995
#: From this area on, a column is named, and stays a feature.
TELLING_AUC = 0.95
#: The most rows that the search for leaks uses.
SAMPLE_ROWS = 100_000


def find_roles(
    frame: pd.DataFrame,
    target: str,
    labels: Labels,
    task: Task = "binary",
    progress: Callable[[str], None] = lambda _: None,
) -> list[ColumnProfile]:
    """The profile of every column but the target, in the table's order.

    Args:
        frame: the table, as `components.table.cells` reads it.
        target: the column to predict.
        labels: the target as `components.table.target` reads it for the task; [rows].
        task: the target's.
        progress: told in words what is being done.

    Raises:
        DataError: no column is left to learn from.
    """
    names = [name for name in frame.columns if name != target]
    looked = []
    for number, name in enumerate(names, start=1):
        looked.append(look_at(frame[name]))
        progress(f"looked at {number:,} of {len(names):,} columns")
    rows = sample_rows(len(frame), SAMPLE_ROWS)
    columns = []
    for number, column in enumerate(_one_identifier(looked), start=1):
        columns.append(_without_leak(column, frame.iloc[rows], labels[rows], task))
        progress(f"looked for leaks in {number:,} of {len(names):,} columns")
    if not any(column.feature for column in columns):
        reasons = "; ".join(f"{column.name!r}: {column.remark}" for column in columns[:5])
        raise DataError(f"no column is left to learn from ({reasons or 'the target is the only one'})")
    return columns


def sample_rows(rows: int, most: int) -> np.ndarray:
    """Positions of at most `most` rows, in order; always the same for the same number of rows."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def _one_identifier(columns: list[ColumnProfile]) -> list[ColumnProfile]:
    """Keeps the first identifier as such and marks later ones as ignored."""
    first = next((column.name for column in columns if column.role == "id"), None)
    return [replace(c, role="ignore") if c.role == "id" and c.name != first else c for c in columns]


def _without_leak(column: ColumnProfile, frame: pd.DataFrame, labels: Labels, task: Task) -> ColumnProfile:
    if column.feature is None:
        return column
    auc = _alone(column.name, column.feature, frame, labels, task)
    if auc < TELLING_AUC:
        return column
    if auc < SUSPICIOUS_AUC:
        told = f"alone it tells the target nearly always (AUC {auc:.3f}); is it known when a prediction is asked for?"
        return replace(column, remark="; ".join(filter(None, [told, column.remark])), telling=True)
    remark = (
        f"may be a leak: alone it tells the target (AUC {auc:.4f}); is it known when a prediction is asked for? "
        "Then make it a feature and name it in data.vouched"
    )
    return ColumnProfile(column.name, "ignore", remark=remark)


def _alone(name: str, feature: Feature, frame: pd.DataFrame, labels: Labels, task: Task) -> float:
    if labels.min() == labels.max():
        return 0.5
    return single_feature_leak(feature_columns(frame, {name: feature})[name], labels, task)
