"""Reads any CSV or Parquet table in one way, so that every step sees the same cells.

A column that was read is one of three kinds, whatever the file format:
float64 (missing is NaN), pandas "boolean" (missing is NA) or text (missing is NaN).
Times are ISO 8601 text. Which kind a column is depends on its cells; what a
cell *means* does not: `category_column`, `number_column` and `date_column` give
the same answer for one cell in every table that it may stand in.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import fsspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from components.contract import CategoryFeature, DateFeature, Feature
from components.errors import DataError

#: Cells that say that there is no value, after white space round them is removed.
MISSING_MARKERS = (
    "", "?", "-", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "NULL", "null", "None",
)  # fmt: skip

_LARGEST_EXACT = 2.0**53
# In the metadata of a Parquet file: its text was read by these rules, and is text.
_READ_MARK = b"canario.read"
_DELIMITERS = ",;\t|"
# A leading zero is no number: 01067 is a code, and its zero would be lost.
_NUMBER = r"^[+-]?(0|[1-9]\d*|0?\.\d+|(0|[1-9]\d*)\.\d*)([eE][+-]?\d+)?$"
_THOUSANDS = r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$"
_DECIMAL_COMMA = r"^[+-]?(0|[1-9]\d*),\d+$"
_BOOLEAN = r"^(?i:true|false)$"
_ISO_TIME = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?"

TextArray = npt.NDArray[np.object_]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """A table that was read, and what a person should know about how it was read."""

    frame: pd.DataFrame
    notes: tuple[str, ...]


def read_table(uri: str) -> pd.DataFrame:
    """The table at a path or URI (file://, s3://, gs://), its columns of the three kinds.

    Raises:
        DataError: the table cannot be opened or read, or its header is unusable.
    """
    return parse_table(read_bytes(uri), uri).frame


def read_bytes(uri: str) -> bytes:
    """The bytes of a file, unpacked when its name ends in .gz or the like.

    Raises:
        DataError: the file cannot be opened.
    """
    if not uri:
        raise DataError("no table is named; give a CSV or Parquet file, by path or URI")
    try:
        with fsspec.open(uri, "rb", compression="infer") as file:
            return bytes(file.read())
    except Exception as error:  # each kind of store raises errors of its own
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{uri}: cannot be read: {reason}. Name a CSV or Parquet file, by path or URI.") from error


def parse_table(content: bytes, name: str) -> Table:
    """The table in the bytes of a CSV or Parquet file; `name` says in messages where they came from.

    Raises:
        DataError: the bytes are no such table, or its header is unusable.
    """
    try:
        raw = _parse_parquet(content) if content[:4] == b"PAR1" else _parse_csv(content.lstrip(b"\r\n"), name)
    except (pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{name}: not a CSV (UTF-8) or Parquet table: {error}") from error
    names = _column_names(raw.column_names, name)
    read_before = (raw.schema.metadata or {}).get(_READ_MARK) is not None
    columns = [_canonical(column, read_before=read_before) for column in raw.columns]
    frame = pd.DataFrame({i: column.values for i, column in enumerate(columns)}, index=range(raw.num_rows))
    frame.columns = pd.Index(names, dtype=object)
    notes = tuple(f"{name}: {column.note}" for name, column in zip(names, columns, strict=True) if column.note)
    return Table(frame, notes)


def table_bytes(frame: pd.DataFrame) -> bytes:
    """A table that was read, as Parquet that reads back as the very same columns; equal tables give equal bytes."""
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
        return category_column(cells)
    return date_column(cells) if isinstance(feature, DateFeature) else number_column(cells)


def category_column(cells: pd.Series) -> TextArray:
    """Each cell's `category_text`, None where missing. A whole number has no ".0": 1.0 is "1"."""
    codes, distinct = pd.factorize(cells)
    texts = np.array([*(_cell_text(cell) for cell in distinct), None], dtype=object)
    return texts[codes]


def number_column(cells: pd.Series) -> FloatArray:
    """The cells as float64, NaN where missing; true is 1.

    Raises:
        DataError: some cells are text; names the rows.
    """
    if not pd.api.types.is_string_dtype(cells.dtype):
        return cells.to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = pd.to_numeric(cells.where(cells.str.fullmatch(_NUMBER[1:-1], na=False)), errors="coerce")
    _refuse_cells(cells, cells.notna() & numbers.isna(), "a number")
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def date_column(cells: pd.Series) -> FloatArray:
    """Days since 1970-01-01 UTC, NaN where missing; a time without a zone is UTC, as in `days_since_epoch`.

    Raises:
        DataError: some cells are no ISO 8601 day or time; names the rows.
    """
    texts = cells.astype("str")
    times = pd.to_datetime(
        texts.where(texts.str.fullmatch(_ISO_TIME, na=False)), format="ISO8601", utc=True, errors="coerce"
    )
    _refuse_cells(cells, cells.notna() & times.isna(), "an ISO 8601 day or time such as 2024-03-31")
    microseconds = times.dt.as_unit("us").astype("int64").to_numpy(dtype=np.float64)
    return np.where(times.isna(), np.nan, microseconds / 1e6 / 86_400)


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


def _cell_text(cell: object) -> str:
    """One text for one value, be its column text, boolean or numbers."""
    if isinstance(cell, (bool, np.bool_)):
        return "true" if cell else "false"
    if isinstance(cell, (float, np.floating)):
        return str(int(cell)) if float(cell).is_integer() else repr(float(cell))
    text = str(cell)
    if re.match(_BOOLEAN, text):
        return text.lower()
    exact = re.match(_NUMBER, text) and math.isfinite(float(text)) and abs(float(text)) <= _LARGEST_EXACT
    return _cell_text(float(text)) if exact else text


# --- files to Arrow ----------------------------------------------------------------


def _parse_parquet(content: bytes) -> pa.Table:
    return pyarrow.parquet.read_table(pa.BufferReader(content))


def _parse_csv(content: bytes, name: str) -> pa.Table:
    """Every cell as text; a header's names are kept as they are, doubles and all."""
    delimiter, header = _header(content, name)
    places = [str(i) for i in range(len(header))]
    table = pyarrow.csv.read_csv(
        pa.BufferReader(content),
        read_options=pyarrow.csv.ReadOptions(column_names=places, skip_rows_after_names=1),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types={place: pa.string() for place in places}),
    )
    return table.rename_columns(header)


def _header(content: bytes, name: str) -> tuple[str, list[str]]:
    """The delimiter and the header's cells."""
    if b"\0" in content[:4096]:
        raise DataError(f"{name}: not a CSV (UTF-8) or Parquet table: it holds zero bytes")
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    text = "".join(line for _, line in zip(range(100), lines, strict=False))
    if not text.strip():
        raise DataError(f"{name}: the file is empty; a table has a header and rows")
    return max(((mark, _first_cells(text, mark)) for mark in _DELIMITERS), key=lambda found: _fit(text, *found))


def _first_cells(text: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(text), delimiter=delimiter))


def _fit(text: str, delimiter: str, header: list[str]) -> tuple[bool, int]:
    """How well a delimiter cuts the text: whether each record has as many cells as the header, and how many."""
    records = itertools.islice(csv.reader(io.StringIO(text), delimiter=delimiter), 10)
    even = all(len(record) == len(header) for record in records if record)
    return even and len(header) > 1, len(header)


def _column_names(raw: list[str], name: str) -> list[str]:
    """The names without white space round them; a column without one is called `unnamed_<place>`."""
    names = [text.strip() or f"unnamed_{place}" for place, text in enumerate(raw, start=1)]
    twice = sorted({text for text in names if names.count(text) > 1})
    if twice:
        raise DataError(f"{name}: columns {twice} stand twice in the header; give every column its own name")
    return names


# --- Arrow to the three kinds --------------------------------------------------------


@dataclass(frozen=True)
class _Column:
    values: pd.Series
    note: str = ""


def _canonical(column: pa.ChunkedArray, *, read_before: bool) -> _Column:
    kind = column.type
    if read_before and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return _Column(column.to_pandas().astype("str"))
    if pa.types.is_boolean(kind):
        return _Column(column.to_pandas().astype("boolean"))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _of_floats(pc.cast(column, pa.float64(), safe=False))
    if pa.types.is_integer(kind):
        return _of_integers(column)
    return _of_texts(_as_text(column))


def _as_text(column: pa.ChunkedArray) -> pa.Array:
    """Text of anything that is no number; times in ISO 8601, with Z where the column has a zone."""
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        utc = pc.cast(column, pa.timestamp(column.type.unit))
        return pc.binary_join_element_wise(pc.cast(utc, pa.string()), "Z", "").combine_chunks()
    try:
        return pc.cast(column, pa.string()).combine_chunks()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return pa.array([None if cell is None else str(cell) for cell in column.to_pylist()], pa.string())


def _of_floats(column: pa.ChunkedArray, note: str = "") -> _Column:
    """Infinity cannot stand in a request (JSON has none), so it counts as missing."""
    values = column.to_pandas().astype("float64")
    infinite = np.isinf(values.to_numpy())
    if infinite.any():
        note = f"infinite cells read as missing: {infinite.sum():,}"
    return _Column(values.mask(infinite), note)


def _of_integers(column: pa.ChunkedArray) -> _Column:
    bounds = pc.min_max(column).as_py()
    largest = max(abs(bounds["min"] or 0), abs(bounds["max"] or 0))
    if largest > _LARGEST_EXACT:
        return _of_texts(pc.cast(column, pa.string()).combine_chunks())
    return _Column(pc.cast(column, pa.float64()).to_pandas().astype("float64"))


def _of_texts(cells: pa.Array) -> _Column:
    """Text that is all numbers becomes numbers, all true or false becomes boolean, the rest stays."""
    encoded = cells.dictionary_encode()
    trimmed = pc.utf8_trim_whitespace(encoded.dictionary)
    marker = pc.is_in(trimmed, value_set=pa.array(MISSING_MARKERS))
    words = pc.if_else(marker, pa.scalar(None, pa.string()), trimmed)
    note = _marker_note(words, trimmed)
    if _all_match(words, _BOOLEAN):
        truth = pc.equal(pc.utf8_lower(words), "true")
        return _Column(truth.take(encoded.indices).to_pandas().astype("boolean"), note)
    digits, comma_note = _without_commas(words)
    numbers = _exact_numbers(digits)
    if numbers is not None:
        return _of_floats(numbers.take(encoded.indices), "; ".join(filter(None, [note, comma_note])))
    return _Column(words.take(encoded.indices).to_pandas().astype("str"), note)


def _marker_note(words: pa.Array, trimmed: pa.Array) -> str:
    """Which spellings stood for missing, but for the empty cell, which needs no word."""
    found = sorted({text for text in trimmed.filter(pc.is_null(words)).to_pylist() if text})
    return f"{', '.join(found)} read as missing" if found else ""


def _all_match(words: pa.Array, pattern: str) -> bool:
    """Whether there is a word and every word matches."""
    return len(words) > words.null_count and bool(pc.all(pc.match_substring_regex(words, pattern)).as_py())


def _without_commas(words: pa.Array) -> tuple[pa.Array, str]:
    """The words with thousands separators removed, or decimal commas made points, and which it was."""
    with_comma = words.filter(pc.fill_null(pc.match_substring(words, ","), fill_value=False))
    if _all_match(with_comma, _THOUSANDS):
        return pc.replace_substring(words, ",", ""), "commas are read as thousands separators"
    if _all_match(with_comma, _DECIMAL_COMMA):
        return pc.replace_substring(words, ",", "."), "commas are read as decimal points"
    return words, ""


def _exact_numbers(words: pa.Array) -> pa.Array | None:
    """The words as float64, or None when one is no number or a whole number too long for float64."""
    if len(words) > words.null_count and not _all_match(words, _NUMBER):
        return None
    numbers = pc.cast(pc.replace_substring_regex(words, r"^\+", ""), pa.float64())
    too_long = pc.and_(pc.greater(pc.abs(numbers), _LARGEST_EXACT), pc.match_substring_regex(words, r"^[^.eE]*$"))
    return None if pc.any(too_long).as_py() else numbers
