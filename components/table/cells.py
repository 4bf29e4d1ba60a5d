"""Reads any CSV or Parquet table in one way, so that every step sees the same cells.

A column that was read is one of three kinds, whatever the file format:
float64 (missing is NaN), pandas "boolean" (missing is NA) or text (missing is NaN).
Times are ISO 8601 text. Which kind a column is depends on its cells; what a
cell *means* does not: `category_column`, `number_column` and `date_column` give
the same answer for one cell in every table that it may stand in.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import fsspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from components.errors import DataError
from components.spec.contract import CategoryFeature, DateFeature, Feature
from components.spec.values import SECONDS_A_DAY, category_text, cell_text
from components.table.files import arrow_table
from components.table.kinds import BOOLEAN, CODE, LARGEST_EXACT, canonical
from components.table.wording import NUMBER, USUAL_READING, TableReading

# Marks a Parquet file whose text was already read by these rules, and stays text.
_READ_MARK = b"canario.read"
_ISO_TIME = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?( ?Z| ?UTC| ?GMT| ?[+-]\d{2}(:?\d{2})?)?)?"

TextArray = npt.NDArray[np.object_]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """A table, and notes for a person on how it was read."""

    frame: pd.DataFrame
    notes: tuple[str, ...]


def read_table(uri: str, reading: TableReading = USUAL_READING) -> pd.DataFrame:
    """The table at a path or URI (file://, s3://, gs://), its columns of the three kinds.

    Raises:
        DataError: the table cannot be opened or read, or its header is unusable.
    """
    return parse_table(read_bytes(uri), uri, reading).frame


def read_bytes(uri: str) -> bytes:
    """The bytes of a file as they are, packed or not.

    Raises:
        DataError: the file cannot be opened.
    """
    if not uri:
        raise DataError("no table is named; give a CSV or Parquet file, by path or URI")
    try:
        with fsspec.open(uri, "rb") as file:
            return bytes(file.read())
    except Exception as error:  # each kind of store raises errors of its own
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{uri}: cannot be read: {reason}. Name a CSV or Parquet file, by path or URI.") from error


def parse_table(content: bytes, name: str, reading: TableReading = USUAL_READING) -> Table:
    """The table in the bytes of a CSV or Parquet file; `name` says in messages where they came from.

    `reading` says which words are gaps; it has no say in a table that was read before, and written by `table_bytes`.

    Raises:
        DataError: the bytes are not such a table, or its header is unusable.
    """
    raw, notes = arrow_table(content, name)
    read_before = _READ_MARK in (raw.schema.metadata or {})
    columns = [
        canonical(column, reading.of(name), read_before=read_before)
        for name, column in zip(raw.column_names, raw.columns, strict=True)
    ]
    frame = pd.DataFrame({i: column.values for i, column in enumerate(columns)}, index=range(raw.num_rows))
    frame.columns = pd.Index(raw.column_names, dtype=object)
    told = (f"{name}: {column.note}" for name, column in zip(frame.columns, columns, strict=True) if column.note)
    return Table(frame, (*notes, *told))


def table_bytes(frame: pd.DataFrame) -> bytes:
    """Writes a table as Parquet, which reads back as the same columns; equal tables give equal bytes."""
    buffer = io.BytesIO()
    marked = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata({_READ_MARK: b"1"})
    pyarrow.parquet.write_table(marked, buffer, compression="zstd")
    return buffer.getvalue()


def feature_columns(frame: pd.DataFrame, features: Mapping[str, Feature]) -> dict[str, TextArray | FloatArray]:
    """The features' columns in their order, as their types say: text, numbers, or days since 1970-01-01 UTC.

    Missing is None in text and NaN in numbers.

    Raises:
        DataError: a column is not in the table, or a cell is not of the feature's type.
    """
    absent = [name for name in features if name not in frame.columns]
    if absent:
        raise DataError(f"columns {absent} are not in the table; it has {list(frame.columns)}")
    return {name: _feature_column(frame[name], feature) for name, feature in features.items()}


def _feature_column(cells: pd.Series, feature: Feature) -> TextArray | FloatArray:
    if isinstance(feature, CategoryFeature):
        return category_column(cells, frozenset(map(category_text, feature.values)))
    return date_column(cells) if isinstance(feature, DateFeature) else number_column(cells)


def category_column(cells: pd.Series, values: frozenset[str] = frozenset()) -> TextArray:
    """Each cell's `category_text`, None where missing. A whole number has no ".0": 1.0 is "1".

    A cell that is one of `values`, letter by letter, stays as it is.
    """
    codes, distinct = pd.factorize(cells)
    texts = [cell if isinstance(cell, str) and cell in values else _raw_text(cell) for cell in distinct]
    return np.array([*texts, None], dtype=object)[codes]


def number_column(cells: pd.Series) -> FloatArray:
    """The cells as float64, NaN where missing; true is 1.

    Raises:
        DataError: some cells are text; names the rows.
    """
    if not pd.api.types.is_string_dtype(cells.dtype):
        return cells.to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = pd.to_numeric(cells.where(cells.str.fullmatch(NUMBER[1:-1], na=False)), errors="coerce")
    _refuse_cells(cells, cells.notna() & numbers.isna(), "a number")
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def date_column(cells: pd.Series) -> FloatArray:
    """Days since 1970-01-01 UTC, NaN where missing; a time without a zone is UTC, as in `days_since_epoch`.

    Raises:
        DataError: some cells are not ISO 8601 days or times; names the rows.
    """
    texts = cells.astype("str").str.replace(r" ?(UTC|GMT)$", "Z", regex=True).str.replace(r" (?=[Z+-])", "", regex=True)
    times = pd.to_datetime(
        texts.where(texts.str.fullmatch(_ISO_TIME, na=False)), format="ISO8601", utc=True, errors="coerce"
    )
    _refuse_cells(cells, cells.notna() & times.isna(), "an ISO 8601 day or time such as 2024-03-31")
    microseconds = times.dt.as_unit("us").astype("int64").to_numpy(dtype=np.float64)
    return np.where(times.isna(), np.nan, microseconds / 1e6 / SECONDS_A_DAY)


def name_rows(positions: Sequence[int] | npt.NDArray[np.integer], most: int = 5) -> str:
    """Rows for a message: "rows 3, 7 and 40 more"; the first data row is 1.

    Args:
        positions: zero-based positions of the rows.
        most: how many are named.
    """
    named = ", ".join(str(int(position) + 1) for position in positions[:most])
    more = f" and {len(positions) - most:,} more" if len(positions) > most else ""
    return f"row{'s' if len(positions) != 1 else ''} {named}{more}"


def _refuse_cells(cells: pd.Series, wrong: pd.Series, expected: str) -> None:
    positions = np.flatnonzero(wrong.to_numpy(dtype=bool))
    if len(positions):
        first = str(cells.iloc[positions[0]])
        raise DataError(f"{cells.name}: {first!r} is not {expected} ({name_rows(positions)})")


def _raw_text(cell: object) -> str:
    """The same text for a value, whether its column holds text, booleans or numbers."""
    if isinstance(cell, bool | np.bool_ | float | np.floating):
        return cell_text(cell)
    text = str(cell)
    if re.match(BOOLEAN, text):
        return text.lower()
    exact = (
        re.match(NUMBER, text)
        and not re.match(CODE, text)
        and math.isfinite(float(text))
        and abs(float(text)) <= LARGEST_EXACT
    )
    return cell_text(float(text)) if exact else text
