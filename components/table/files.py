"""Parses the bytes of a CSV or Parquet file into columns, as they are in the file."""

from __future__ import annotations

import csv
import io
import itertools

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from components.errors import DataError

_DELIMITERS = ",;\t|"


def arrow_table(content: bytes, name: str) -> pa.Table:
    """The columns of a file, with white space stripped from their names; those of a CSV file are all text.

    Raises:
        DataError: the bytes are not such a file, or two columns have the same name.
    """
    try:
        raw = _parse_parquet(content) if content[:4] == b"PAR1" else _parse_csv(content.lstrip(b"\r\n"), name)
    except (pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{name}: not a CSV (UTF-8) or Parquet table: {error}") from error
    named = raw.rename_columns(_column_names(raw.column_names, name))
    return named.replace_schema_metadata(raw.schema.metadata)


def _parse_parquet(content: bytes) -> pa.Table:
    return pyarrow.parquet.read_table(pa.BufferReader(content))


def _parse_csv(content: bytes, name: str) -> pa.Table:
    """Reads every cell as text; keeps the header's names as they are, even duplicates."""
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
    """The fit of a delimiter: whether each record has as many cells as the header, and the number of cells."""
    records = itertools.islice(csv.reader(io.StringIO(text), delimiter=delimiter), 10)
    even = all(len(record) == len(header) for record in records if record)
    return even and len(header) > 1, len(header)


def _column_names(raw: list[str], name: str) -> list[str]:
    """The names, stripped of white space; a column without a name becomes `unnamed_<place>`."""
    names = [text.strip() or f"unnamed_{place}" for place, text in enumerate(raw, start=1)]
    twice = sorted({text for text in names if names.count(text) > 1})
    if twice:
        raise DataError(f"{name}: columns {twice} stand twice in the header; give every column its own name")
    return names
