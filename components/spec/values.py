"""How single values are written and counted: the text of a category, and moments as days.

A moment is told as days since 1970-01-01 UTC (float64), whose arithmetic needs no calendar; a moment
without a zone is UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

#: A category's value as it stands in a request: JSON text, whole number or boolean.
CategoryValue = bool | int | str

SECONDS_A_DAY: Final = 86_400
_MICROSECONDS_A_DAY: Final = SECONDS_A_DAY * 1_000_000

_Found = TypeVar("_Found")


def category_text(value: CategoryValue) -> str:
    """The one spelling by which a table's cell and a request's value are compared."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class _Known(dict[Any, _Found], Generic[_Found]):
    """What was found of each value beforehand; another is asked when it comes, and is not kept."""

    def __init__(self, known: dict[Any, _Found], find: Callable[[Any], _Found]) -> None:
        super().__init__(known)
        self._find = find

    def __missing__(self, value: Any) -> _Found:
        return self._find(value)


def by_category(
    listed: Iterable[CategoryValue], find: Callable[[CategoryValue], _Found], gap: _Found, *, is_open: bool = False
) -> Callable[[Any], _Found]:
    """The function `find`, and `gap` for None, as fast as can be for the listed values; `is_open`: others come, too."""
    known = tuple(listed)
    kinds = {type(value) for value in known}
    # To Python, true and 1 are one key.
    if {bool, int} <= kinds or (is_open and kinds & {bool, int}):
        return lambda value: gap if value is None else find(value)
    return _Known({None: gap} | {value: find(value) for value in known}, find).__getitem__


def cell_text(cell: object) -> str:
    """The spelling of a table's cell, as `category_text` has it; 1.0 is the 1 of a column with gaps."""
    if isinstance(cell, bool | np.bool_):
        return category_text(bool(cell))
    if isinstance(cell, float | np.floating):
        return str(int(cell)) if float(cell).is_integer() else repr(float(cell))
    return str(cell)


def is_missing(cell: object) -> bool:
    """Whether a table's cell is None, NaN or NaT."""
    # Only NaN and NaT differ from themselves.
    return cell is None or bool(cell != cell)


def days_since_epoch(moment: date | datetime) -> float:
    """The days of a day or time."""
    if isinstance(moment, datetime):
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.timestamp() / SECONDS_A_DAY
    return float(moment.toordinal() - date(1970, 1, 1).toordinal())


def cell_days(cell: str | date | datetime) -> float:
    """The days of an ISO 8601 text, a day or a time.

    Raises:
        ValueError: the text is not ISO 8601.
    """
    if not isinstance(cell, str):
        return days_since_epoch(cell)
    # A day alone is `date`, everything longer carries a time.
    return days_since_epoch(date.fromisoformat(cell) if len(cell) <= 10 else datetime.fromisoformat(cell))


def moments_to_days(moments: NDArray[Any]) -> NDArray[np.float64]:
    """datetime64 of any unit -> days, NaN for NaT."""
    days = moments.astype("datetime64[us]").astype(np.int64) / _MICROSECONDS_A_DAY
    return np.where(np.isnat(moments), np.nan, days)


def days_to_moments(days: NDArray[np.float64]) -> NDArray[np.datetime64]:
    """Days -> datetime64[us], NaT for NaN."""
    missing = np.isnan(days)
    microseconds = np.rint(np.where(missing, 0.0, days) * _MICROSECONDS_A_DAY).astype(np.int64)
    return np.where(missing, np.datetime64("NaT", "us"), microseconds.astype("datetime64[us]"))
