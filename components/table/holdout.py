"""Cuts off the hold-out, so that a row's side depends on that row alone.

As a table grows, every old row stays on its side. A model trained on an early part
of the data has therefore never seen a row of a later hold-out, and two versions can be
compared on rows that neither has seen. This holds as long as the rule of the cut stays
the same (`evaluation/holdout_rule.py`); if the features are the rule, they must stay, too.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.errors import DataError
from components.spec.contract import Spec
from components.spec.values import category_text
from components.table.cells import category_column, date_column, name_rows, number_column
from components.table.examples import Columns, Examples
from components.table.target import rows_of_each

Keys = NDArray[np.uint64]

#: 2 to the power of 64 over the golden ratio.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
#: A hold-out may have from two thirds to three halves of its share of the rows, or what chance does to few rows.
_LARGEST_FACTOR = 1.5
_DEVIATIONS = 4.0
#: Each side needs this many rows of each class for any conclusion, and this many of a target that is a number.
FEWEST_OF_A_CLASS = 5
FEWEST_NUMBERS = 40


@dataclass(frozen=True)
class Sides:
    """The two parts of a table."""

    train: Examples
    holdout: Examples


def split_examples(examples: Examples, spec: Spec) -> Sides:
    """Cuts a table by the hash of the row, by group, or by time, as the spec says.

    Raises:
        DataError: a column of the split is missing or has gaps, or a side has too few rows of a class.
    """
    held = _latest(examples.frame, spec) if spec.split.time else _dealt(examples, spec)
    sides = Sides(examples.take(~held), examples.take(held))
    for name, side in (("training part", sides.train), ("hold-out", sides.holdout)):
        _refuse_poor(name, side, spec, len(examples))
    _refuse_far_off(len(sides.holdout), len(examples), spec)
    return sides


def _dealt(examples: Examples, spec: Spec) -> NDArray[np.bool_]:
    keys = row_keys(examples, spec)
    if spec.split.duplicates == "apart" and spec.data.id is None:
        keys = _apart(content_keys({**examples.columns, "": examples.labels.astype(np.float64)}))
    return _hashed(keys, spec.split.holdout)


def _apart(keys: Keys) -> Keys:
    """A key for each row, evenly spread among equal ones: so each kind of row has its share on both sides.

    The rows with one key follow each other by the golden ratio, which keeps any number of them evenly spread (the
    additive recurrence of Roberts, The unreasonable effectiveness of quasirandom sequences, 2018). A later row of the
    table moves none before it.
    """
    earlier = pd.Series(keys).groupby(keys, sort=False).cumcount().to_numpy().astype(np.uint64)
    return _mix(keys) + earlier * _GOLDEN


def _hashed(keys: Keys, share: float) -> NDArray[np.bool_]:
    held: NDArray[np.bool_] = keys < np.uint64(share * 2**64)
    return held


def _latest(frame: pd.DataFrame, spec: Spec) -> NDArray[np.bool_]:
    """The latest rows; rows at the exact moment of the cut stay in the training part."""
    when = moments(frame, str(spec.split.time))
    cut = np.quantile(when, 1 - spec.split.holdout, method="lower")
    held: NDArray[np.bool_] = when > cut
    return held


def moments(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """A column as numbers that grow with time; in days if it holds dates.

    Raises:
        DataError: the column is missing, has gaps, or holds neither numbers nor dates.
    """
    cells = _whole_column(frame, column, "split.time")
    text = pd.api.types.is_string_dtype(cells.dtype)
    found: NDArray[np.float64] = date_column(cells) if text else number_column(cells)
    return found


def _whole_column(frame: pd.DataFrame, column: str, role: str) -> "pd.Series[Any]":
    if column not in frame.columns:
        raise DataError(f"column {column!r} ({role}) is not in the table; it has {', '.join(map(str, frame.columns))}")
    gaps = np.flatnonzero(frame[column].isna())
    if len(gaps):
        raise DataError(f"column {column!r} ({role}) is missing in {len(gaps):,} rows ({name_rows(gaps)}); fill it")
    return frame[column]


def row_keys(examples: Examples, spec: Spec) -> Keys:
    """A key for each row; rows that must stay together have the same key.

    The key comes from the group, else from the id, else from the features, so that equal rows stay together.
    """
    column = spec.split.group or spec.data.id
    if column is None:
        return content_keys(examples.columns)
    role = "split.group" if spec.split.group else "data.id"
    return content_keys({column: category_column(_whole_column(examples.frame, column, role))})


def content_keys(columns: Columns) -> Keys:
    """A hash of each row over the columns, in any order; equal cells give equal keys in every table."""
    hashes = [pd.util.hash_array(_hashable(cells), categorize=True) for _, cells in sorted(columns.items())]
    keys = np.zeros(len(hashes[0]), dtype=np.uint64)
    for column in hashes:
        keys = _mix(keys * np.uint64(31) + column)
    return keys


def _hashable(cells: NDArray[Any]) -> NDArray[Any]:
    """The cells in a form where equal cells have equal bytes: one NaN, one zero, and a reserved text for a gap."""
    if cells.dtype == object:
        return np.where(pd.isna(cells), "\0", cells)
    numbers = cells.astype("datetime64[us]").astype(np.int64) if cells.dtype.kind == "M" else cells
    return np.where(np.isnan(numbers), np.nan, numbers + 0.0)


def _mix(keys: Keys) -> Keys:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014), which makes every bit depend on every other."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def _refuse_poor(name: str, side: Examples, spec: Spec, rows: int) -> None:
    task = spec.data.task
    found = rows_of_each(side.labels, task, len(spec.data.classes))
    needed = FEWEST_NUMBERS if task == "regression" else FEWEST_OF_A_CLASS
    if found.min() >= needed:
        return
    if task == "binary":
        held = f"{found[1]} positive and {found[0]} other rows"
    elif task == "regression":
        held = f"{found[0]} rows"
    else:
        held = f"{found.min()} rows of class {category_text(spec.data.classes[int(found.argmin())])!r}"
    raise DataError(
        f"the {name} has {held} of the table's {rows:,}; each must be at least {needed}. Bring more rows, or change "
        "`split` (or name `data.id`)"
    )


def _refuse_far_off(held: int, rows: int, spec: Spec) -> None:
    """Refuses a hold-out that is far from its share, since some rows that stay together are too many."""
    share = spec.split.holdout
    chance = _DEVIATIONS * (share * (1 - share) / rows) ** 0.5
    low, high = min(share / _LARGEST_FACTOR, share - chance), max(share * _LARGEST_FACTOR, share + chance)
    if low <= held / rows <= high:
        return
    split, together = spec.split, "rows with equal features stay together, and some are many"
    if split.group or split.time:
        together = f"rows with one {split.group or split.time} stay together, and some are many"
    remedy = (
        "" if split.group or split.time or spec.data.id else "; write `duplicates: apart` in split to deal each alone"
    )
    raise DataError(
        f"the hold-out would have {held:,} of the table's {rows:,} rows ({held / rows:.0%}), and {share:.0%} are asked "
        f"for: {together}{remedy}"
    )
