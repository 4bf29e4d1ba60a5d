"""Parses the bytes of a table's file into columns, as they are in the file; its kind is told by its bytes."""

from __future__ import annotations

import csv

import pyarrow as pa
import pyarrow.parquet

from components.errors import DataError
from components.table.delimited import parse_delimited
from components.table.encodings import as_utf8
from components.table.foreign_files import refuse_foreign
from components.table.json_rows import is_json, parse_json
from components.table.unpacking import unpack


def arrow_table(content: bytes, name: str) -> tuple[pa.Table, tuple[str, ...]]:
    """The columns of a file, with white space stripped from their names, and notes on how the file was read.

    Columns of a CSV file are all text; those of JSON are numbers, booleans or text.

    Raises:
        DataError: the bytes are not such a file, or two columns have the same name.
    """
    content, unpacked = unpack(content, name)
    try:
        raw, *notes = _parse(content, name)
    except (pa.ArrowException, csv.Error) as error:
        raise DataError(f"{name}: not a CSV (UTF-8) or Parquet table: {error}") from error
    named = raw.rename_columns(_column_names(raw.column_names, name))
    told = tuple(note for note in (unpacked, *notes) if note)
    return named.replace_schema_metadata(raw.schema.metadata), told


def _parse(content: bytes, name: str) -> tuple[pa.Table, str, str]:
    if content[:4] == b"PAR1":
        return pyarrow.parquet.read_table(pa.BufferReader(content)), "", ""
    if content[:6] == b"ARROW1":
        return pa.ipc.open_file(pa.BufferReader(content)).read_all(), "", ""
    refuse_foreign(content, name)
    text, encoding_note = as_utf8(content, name)
    if is_json(text):
        return parse_json(text, name), encoding_note, ""
    table, note = parse_delimited(text, name)
    return table, encoding_note, note


def _column_names(raw: list[str], name: str) -> list[str]:
    """The names, stripped of white space; a column without a name becomes `unnamed_<place>`."""
    names = [text.strip() or f"unnamed_{place}" for place, text in enumerate(raw, start=1)]
    twice = sorted({text for text in names if names.count(text) > 1})
    if twice:
        raise DataError(f"{name}: columns {twice} stand twice in the header; give every column its own name")
    return names
