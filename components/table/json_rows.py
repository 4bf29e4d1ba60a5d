"""Reads rows in JSON: a list of objects, or one object a line."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pyarrow as pa

from components.errors import DataError

_START: Final = re.compile(rb'\s*(\[\s*[\[{\]]|\{\s*["}])')


def is_json(content: bytes) -> bool:
    """Whether a file begins as JSON does; a CSV's header never does."""
    return _START.match(content) is not None


def parse_json(content: bytes, name: str) -> pa.Table:
    """A column for each key, in the order of their first appearance; a key that a row lacks is a gap.

    Raises:
        DataError: the document is not a list of flat objects.
    """
    rows = _documents(content, name)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f'{name}: row {number} is {_kind(row)}, not an object such as {{"age": 47}}')
    keys = list(dict.fromkeys(key for row in rows for key in row))
    if not keys:
        raise DataError(f"{name}: the file is empty; a table has named columns and rows")
    return pa.table([_column([row.get(key) for row in rows]) for key in keys], names=keys)


def _documents(content: bytes, name: str) -> list[Any]:
    try:
        return _flat(json.loads(content), name)
    except json.JSONDecodeError as error:
        return _lines(content, name, error)


def _flat(document: Any, name: str) -> list[Any]:
    if isinstance(document, list):
        return document
    lists = [key for key, value in document.items() if isinstance(value, list)]
    if lists or any(isinstance(value, dict) for value in document.values()):
        raise DataError(
            f"{name}: a JSON object with {', '.join(map(repr, list(document)[:5]))}, not rows; write a list of "
            'objects, such as [{"age": 47}, {"age": 49}], or one object a line'
        )
    return [document]


def _lines(content: bytes, name: str, whole: json.JSONDecodeError) -> list[Any]:
    """One document a line; if the first line is none, the file was meant as one document, which is broken."""
    rows = []
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            where = f"line {whole.lineno}, column {whole.colno}" if not rows else f"line {number}, column {error.colno}"
            raise DataError(
                f"{name}: begins like JSON and is not: {(error if rows else whole).msg} at {where}"
            ) from error
    return rows


def _column(cells: list[Any]) -> pa.Array:
    """Numbers or booleans where every cell is one, else text."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds <= {bool} or (kinds <= {int, float} and _fits(cells)):
        return pa.array([float(cell) if float in kinds and cell is not None else cell for cell in cells])
    return pa.array([_text(cell) for cell in cells], pa.string())


def _fits(cells: list[Any]) -> bool:
    return all(cell is None or isinstance(cell, float) or abs(cell) < 2**63 for cell in cells)


def _text(cell: Any) -> str | None:
    return cell if cell is None or isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)


def _kind(row: Any) -> str:
    names = {list: "a list", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(row), "a number")
