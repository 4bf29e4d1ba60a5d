"""Classifies each column of a table as a feature of some type, an identifier, or one to ignore.

The rules are tried in order and the first that fits decides. Each gives its reason
in words, because a person reads it next to the column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.errors import DataError
from components.profile.ranges import wider
from components.spec.contract import CategoryFeature, DateFeature, Feature, Missing, NumberFeature
from components.spec.values import CategoryValue
from components.table.cells import FloatArray, category_column, date_column

#: A text column with more distinct values is a closed list only if each of them has many rows,
MOST_CATEGORIES = 50
#: this many on average, and there are at most so many, since each is a column to the model.
ROWS_A_VALUE = 20
MOST_LISTED = 500
#: Up to this many distinct whole numbers count as codes.
MOST_CODES = 6
#: Categories must recur this often on average; otherwise the next table would bring new ones.
FEWEST_REPEATS = 4
#: Requests come later than the table; the spec allows dates this many days after the table's last.
DAYS_AHEAD = 730
#: A day this far from the middle one is a word for "never" or a slip, if at most this share of the rows has such days.
FAR_DAYS = 100 * 365.25
MOST_FAR = 0.05
#: Squares of larger numbers leave a float64.
LARGEST_NUMBER = 1e150

# Names of columns that identify a row; the first pattern applies even if a value recurs in many rows.
_KEY_NAME = re.compile(r"(^|[^a-z])(id|ids|key|uuid|guid|code)$|(?-i:[a-z]I[dD]$)", re.IGNORECASE)
_ROW_NAME = re.compile(r"(^|[^a-z])(index|idx|no|nr|number)$|^(row|record)", re.IGNORECASE)
_POSTAL = re.compile(r"zip|postal|post_?code|\bplz\b", re.IGNORECASE)
_DATE_NAME = re.compile(r"date|time|stamp|epoch|(^|[^a-z])(at|on|ts|day)$|(?-i:[a-z]At$)", re.IGNORECASE)
_UNITS = r"%|°[CF]?|[kKmc]?m[²³]?|k?g|mg|lbs?|oz|kWh?|[kMGT]i?B|ms|s|min|h|hrs?|days?|years?|yrs?|[kKMB]|bps|[$€£¥]"
_MEASURE = rf"[<>~≈]?\s*[$€£¥]?\s*[+-]?\d[\d.,' ]*\s?({_UNITS})?(/({_UNITS}))?"
_OTHER_DATES = (
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y", "%m/%d/%y",
    "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y",
    "%d-%b-%y", "%Y.%m.%d", "%Y%m%d",
    "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p",
    "%d/%m/%Y %I:%M:%S %p", "%d-%m-%Y %H:%M", "%d-%m-%Y %H:%M:%S", "%d.%m.%y", "%d-%m-%y", "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%SZ", "%b %d %Y", "%B %d %Y", "%b %Y", "%B %Y",
    "%a, %d %b %Y %H:%M:%S %Z", "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %Z %Y",
    "%b %d, %Y %H:%M", "%b %d, %Y %I:%M %p", "%b %d, %Y %I:%M:%S %p", "%d %b %Y %H:%M", "%d-%b-%Y %H:%M:%S",
    "%d-%b-%y %I.%M.%S.%f %p", "%Y-%m", "%m/%Y", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d-%H.%M.%S.%f", "%Y年%m月%d日",
)  # fmt: skip


@dataclass(frozen=True)
class ColumnProfile:
    """The role of one column.

    Attributes:
        name: the column's name.
        role: a feature, the identifier of a row, or ignored.
        feature: the values that a caller may send; None unless the column is a feature.
        remark: the reason, or something for a person to check; may be empty.
        telling: whether the remark on a feature is worth a line on the screen.
    """

    name: str
    role: Literal["feature", "id", "ignore"]
    feature: Feature | None = None
    remark: str = ""
    telling: bool = False


@dataclass(frozen=True)
class _Facts:
    name: str
    cells: pd.Series
    known: pd.Series
    distinct: int

    @property
    def missing(self) -> Missing:
        return "allowed" if len(self.known) < len(self.cells) else "refused"

    @property
    def is_key(self) -> bool:
        """True if each row has a value of its own."""
        return self.distinct == len(self.cells)

    def ignored(self, remark: str) -> ColumnProfile:
        return ColumnProfile(self.name, "ignore", remark=remark)

    def category(self, values: Iterable[CategoryValue], remark: str = "") -> ColumnProfile:
        feature = CategoryFeature(type="category", values=tuple(values), missing=self.missing)
        return ColumnProfile(self.name, "feature", feature, remark)


_Rule = Callable[[_Facts], ColumnProfile | None]


def look_at(cells: pd.Series) -> ColumnProfile:
    """Classifies one column; the cells are as `components.table.cells` reads them."""
    known = cells.dropna()
    facts = _Facts(str(cells.name), cells, known, int(known.nunique()))
    for rule in (_constant, _mark, *_rules(cells)):
        found = rule(facts)
        if found:
            return found
    raise AssertionError(f"no rule for {facts.name}")


def _rules(cells: pd.Series) -> tuple[_Rule, ...]:
    if pd.api.types.is_bool_dtype(cells.dtype):
        return (_boolean,)
    if pd.api.types.is_float_dtype(cells.dtype):
        return _numeric_key, _postal_code, _repeating_key, _date_in_digits, _moment_in_digits, _codes, _number
    return _iso_date, _other_date, _measure, _text_key, _words, _free_text


def _constant(facts: _Facts) -> ColumnProfile | None:
    if facts.distinct > 1 or (facts.distinct and len(facts.known) < len(facts.cells)):
        return None
    return facts.ignored(f"it never differs ({_short(facts.known.iloc[0])})" if len(facts.known) else "it is empty")


def _mark(facts: _Facts) -> ColumnProfile | None:
    """One value that some rows have: a box that was ticked."""
    if facts.distinct != 1 or pd.api.types.is_bool_dtype(facts.cells.dtype):
        return None
    if pd.api.types.is_float_dtype(facts.cells.dtype) and not _is_whole(facts.known):
        return None
    value = facts.known.iloc[0]
    only = int(value) if isinstance(value, float) else str(category_column(facts.known)[0])
    return facts.category([only], "one value or none: that it is missing is what tells")


def _boolean(facts: _Facts) -> ColumnProfile | None:
    return facts.category((False, True))


# --- numbers ---------------------------------------------------------------------------


def _numeric_key(facts: _Facts) -> ColumnProfile | None:
    """Distinct whole numbers that count the rows or have the name of a key."""
    if not facts.is_key or not _is_whole(facts.known):
        return None
    counts_rows = facts.known.max() - facts.known.min() + 1 == len(facts.cells)
    if counts_rows or _KEY_NAME.search(facts.name) or _ROW_NAME.search(facts.name):
        return ColumnProfile(
            facts.name, "id", remark="looks like an identifier: a whole number, another one in each row"
        )
    return None


def _postal_code(facts: _Facts) -> ColumnProfile | None:
    if _POSTAL.search(facts.name) and _is_whole(facts.known) and facts.distinct > MOST_CATEGORIES:
        return facts.ignored(f"looks like a postal code with {facts.distinct:,} values; group them to use it")
    return None


def _repeating_key(facts: _Facts) -> ColumnProfile | None:
    if _KEY_NAME.search(facts.name) and _is_whole(facts.known) and facts.distinct > MOST_CATEGORIES:
        return facts.ignored(
            "looks like an identifier that repeats; if its rows belong together, name it in split.group as well"
        )
    return None


def _date_in_digits(facts: _Facts) -> ColumnProfile | None:
    if not _is_whole(facts.known) or not facts.known.between(19_000_101, 21_001_231).all():
        return None
    return _other_date(_Facts(facts.name, facts.cells, facts.known.astype("int64").astype("str"), facts.distinct))


def _moment_in_digits(facts: _Facts) -> ColumnProfile | None:
    """Seconds, milli- or microseconds since 1970, or days of a spreadsheet, in a column whose name says so."""
    if not _DATE_NAME.search(facts.name) or not _is_whole(facts.known):
        return None
    low, high = float(facts.known.min()), float(facts.known.max())
    kinds = {"seconds since 1970": 1.0, "milliseconds since 1970": 1e3, "microseconds since 1970": 1e6}
    found = [kind for kind, unit in kinds.items() if 3e8 * unit <= low and high <= 4e9 * unit]
    found += ["days since 1900, as spreadsheets count"] if low >= 20_000 and high <= 60_000 else []
    if not found:
        return None
    return facts.ignored(
        f"looks like {found[0]}, such as {low:.0f}; write it as 2024-03-31T12:00:00Z (ISO 8601) to use it"
    )


def _codes(facts: _Facts) -> ColumnProfile | None:
    few = facts.distinct == 2 or (facts.distinct <= MOST_CODES and _recurs(facts))
    if not few or not _is_whole(facts.known):
        return None
    remark = "few whole numbers are taken for codes; is it a quantity? Then make its type number"
    return facts.category((int(v) for v in sorted(facts.known.unique())), remark if facts.distinct > 2 else "")


def _number(facts: _Facts) -> ColumnProfile | None:
    largest = facts.known.abs().max()
    if largest > LARGEST_NUMBER:
        row = int(facts.cells.abs().argmax()) + 1
        return facts.ignored(
            f"{facts.cells.iloc[row - 1]:g} (row {row}) is too large to compute with; leave such cells empty, or name "
            "them in data.missing_values, to use it"
        )
    low, high = wider(float(facts.known.min()), float(facts.known.max()))
    return ColumnProfile(facts.name, "feature", NumberFeature(type="number", min=low, max=high, missing=facts.missing))


def _is_whole(known: pd.Series) -> bool:
    values = known.to_numpy(dtype=np.float64)
    return bool((values == np.rint(values)).all())


def _recurs(facts: _Facts) -> bool:
    return facts.distinct * FEWEST_REPEATS <= len(facts.known)


# --- text -------------------------------------------------------------------------------


def _iso_date(facts: _Facts) -> ColumnProfile | None:
    try:
        date_column(facts.known.head(10))  # fails fast: ten cells show that most text is not a date
        days = date_column(facts.known)
    except DataError:
        return None
    far = np.abs(days - np.median(days)) > FAR_DAYS
    if 0 < far.mean() <= MOST_FAR:
        return _with_far_days(facts, days, far)
    first, last = _wider_days(days)
    feature = DateFeature(type="date", min=first, max=last, missing=facts.missing)
    return ColumnProfile(
        facts.name, "feature", feature, "later days than max are refused; is the day known when it is asked?"
    )


def _with_far_days(facts: _Facts, days: FloatArray, far: npt.NDArray[np.bool_]) -> ColumnProfile:
    """Dates of which few are so far from all others that they stand for something else."""
    first, last = _wider_days(days[~far])
    feature = DateFeature(type="date", min=first, max=last, missing=facts.missing, outside="clip")
    cells = facts.known[far].drop_duplicates().head(3)
    row = int(np.flatnonzero(facts.cells.notna())[far][0]) + 1
    remark = (
        f"{int(far.sum()):,} days are far from all others ({', '.join(map(_short, cells))}, first row {row}) "
        "and are read as the nearer bound; do they stand for a gap? Then name them in data.missing_values"
    )
    return ColumnProfile(facts.name, "feature", feature, remark, telling=True)


def _wider_days(days: FloatArray) -> tuple[date, date]:
    """The range widened, in whole days: a tenth of the span earlier, and as much or two years later."""
    room = (days.max() - days.min()) / 10 + 1
    first = max(days.min() - room, _day_number(date.min))
    last = min(days.max() + max(room, DAYS_AHEAD), _day_number(date.max))
    return _day(int(np.floor(first))), _day(int(np.ceil(last)))


def _day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)


def _other_date(facts: _Facts) -> ColumnProfile | None:
    """A date in another common spelling; the order of its parts can be unclear, so a person must rewrite it."""
    sample = facts.known.drop_duplicates().head(100)
    fitting = [spelling for spelling in _OTHER_DATES if all(_is_date(cell, spelling) for cell in sample)]
    if not fitting:
        return None
    return facts.ignored(
        f"looks like a date such as {_short(sample.iloc[0])}; write it as 2024-03-31 (ISO 8601) to use it"
    )


def _is_date(cell: str, spelling: str) -> bool:
    try:
        datetime.strptime(cell, spelling).replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _measure(facts: _Facts) -> ColumnProfile | None:
    """Numbers with signs that are not known, or not the same in each cell."""
    distinct = facts.known.drop_duplicates()
    if facts.distinct <= MOST_CODES or distinct.str.fullmatch(_MEASURE).mean() < 0.9:
        return None
    odd = distinct[~_looks_numeric(distinct)]
    if odd.empty or _looks_numeric(distinct).mean() > 0.5:
        return None
    return facts.ignored(
        f"looks like numbers with signs, such as {_short(odd.iloc[0])}; write the numbers alone to use it"
    )


def _text_key(facts: _Facts) -> ColumnProfile | None:
    if not facts.is_key:
        return None
    if not _KEY_NAME.search(facts.name) and 0.5 < _numeric_share(facts.known) < 1:
        return None  # numbers with some typing errors also differ from row to row
    return ColumnProfile(facts.name, "id", remark="looks like an identifier: another text in each row")


def _words(facts: _Facts) -> ColumnProfile | None:
    if facts.distinct != 2 and not _is_list(facts):
        return None
    words = set(facts.known.unique())
    texts = {text for text in category_column(facts.known) if text is not None}
    # 1.10 and 1.1 are one number and two codes.
    return facts.category(sorted(texts if len(texts) == len(words) else words))


def _is_list(facts: _Facts) -> bool:
    """Whether the values are a closed list: few that recur, or more of which each has many rows."""
    if facts.distinct <= MOST_CATEGORIES:
        return _recurs(facts)
    return facts.distinct <= MOST_LISTED and facts.distinct * ROWS_A_VALUE <= len(facts.known)


def _free_text(facts: _Facts) -> ColumnProfile | None:
    many = f"{facts.distinct:,} different texts, such as {_short(facts.known.iloc[0])}"
    if _numeric_share(facts.known) > 0.5 and not facts.known.str.fullmatch(r"\d+").all():
        odd = facts.known[~_looks_numeric(facts.known)].iloc[0]
        return facts.ignored(f"mostly numbers, but not {_short(odd)}; mend those cells to use it")
    return facts.ignored(f"{many}; group them to use it")


def _numeric_share(known: pd.Series) -> float:
    return float(_looks_numeric(known).mean())


def _looks_numeric(known: pd.Series) -> pd.Series:
    return known.str.fullmatch(r"[+-]?(0|[1-9]\d*)(\.\d+)?")


def _short(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.6g}"
    text = " ".join(str(cell).split())
    return repr(text if len(text) <= 30 else text[:27] + "...")
