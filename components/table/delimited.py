"""Reads delimited text: finds the delimiter and the header, and names each row that does not fit."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.csv

from components.errors import DataError

_DELIMITERS: Final = ",;\t|"
#: Excel's first line that names the delimiter.
_SEPARATOR_LINE: Final = re.compile(rb'"?sep=(.)"?\r?\n')
#: So many lines decide about delimiter and header.
_LINES: Final = 100
#: So many rows that do not fit are named in a message.
_NAMED_ROWS: Final = 5


@dataclass(frozen=True)
class _Head:
    """What stands before the first row."""

    delimiter: str
    names: list[str]
    skipped_lines: int
    note: str = ""


def parse_delimited(content: bytes, name: str) -> tuple[pa.Table, str]:
    """Every cell as text under the header's names as they are, even duplicates; and a note for a person.

    Raises:
        DataError: there is no header, or a row has not as many cells as it; names the rows.
    """
    content = content.lstrip(b"\r\n")
    marked = _SEPARATOR_LINE.match(content)
    if marked:
        content = content[marked.end() :].lstrip(b"\r\n")
    head = _head(content, name, marked[1].decode("latin-1") if marked else "")
    body = _after_lines(content, head.skipped_lines)
    places = [str(i) for i in range(len(head.names))]
    strange = _StrangeRows(len(places))
    table = _read(body, head.delimiter, places, strange)
    if strange.rows or strange.comments:
        strange = _StrangeRows(len(places))
        table = _read(body, head.delimiter, places, strange, numbered=True)  # slower, and knows each row's number
    strange.refuse(name)
    comments = head.skipped_lines + strange.comments
    note = f"{comments} comment line{'s' if comments != 1 else ''} left out" if comments else ""
    return table.rename_columns(head.names), note


class _StrangeRows:
    """Collects rows that have not as many cells as the header."""

    def __init__(self, width: int) -> None:
        self.rows: list[tuple[int, int, str]] = []
        self.comments, self._width = 0, width

    def __call__(self, row: pyarrow.csv.InvalidRow) -> str:
        if row.text.lstrip().startswith("#"):
            self.comments += 1
        else:
            # The header is row 1 to the reader, and a person counts rows of data.
            self.rows.append(((row.number or 1) - 1, row.actual_columns, row.text))
        return "skip"

    def refuse(self, name: str) -> None:
        if not self.rows:
            return
        number, cells, text = self.rows[0]
        several = len(self.rows) > 1
        more = f"; rows {', '.join(str(row[0]) for row in self.rows[1:_NAMED_ROWS])}" if several else ""
        rest = f" and {len(self.rows) - _NAMED_ROWS:,} more" if len(self.rows) > _NAMED_ROWS else ""
        shown = text.strip() if len(text.strip()) <= 60 else text.strip()[:57] + "..."
        raise DataError(
            f"{name}: the header has {self._width} cells, and row {number} has {cells} ({shown!r}){more}{rest}"
            f"{' do not fit either' if several else ''}; put a cell that holds the delimiter in quotes, or mend the row"
        )


def _read(
    content: bytes, delimiter: str, places: list[str], strange: _StrangeRows, *, numbered: bool = False
) -> pa.Table:
    return pyarrow.csv.read_csv(
        pa.BufferReader(content),
        read_options=pyarrow.csv.ReadOptions(column_names=places, skip_rows_after_names=1, use_threads=not numbered),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=strange
        ),
        convert_options=pyarrow.csv.ConvertOptions(column_types={place: pa.string() for place in places}),
    )


def _after_lines(content: bytes, lines: int) -> bytes:
    for _ in range(lines):
        content = content[content.find(b"\n") + 1 :]
    return content


def _head(content: bytes, name: str, delimiter: str) -> _Head:
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
    lines = [line for _, line in zip(range(_LINES), text, strict=False)]
    if not "".join(lines).strip():
        raise DataError(f"{name}: the file is empty; a table has a header and rows")
    comments = _comment_lines(lines, delimiter)
    sample = "".join(lines[comments:])
    if not sample.strip():
        raise DataError(f"{name}: the file holds comments only; a table has a header and rows")
    delimiter, header = max(
        ((mark, _first_cells(sample, mark)) for mark in delimiter or _DELIMITERS),
        key=lambda found: _fit(sample, *found),
    )
    _refuse_title(sample, delimiter, len(header), comments, name)
    return _Head(delimiter, header, comments)


def _comment_lines(lines: list[str], delimiter: str) -> int:
    """How many lines at the top are comments; a last one that has as many cells as the line after it is the header."""
    number = next((place for place, line in enumerate(lines) if not line.startswith("#")), len(lines))
    if not number or number == len(lines):
        return number
    after = lines[number]
    is_header = any(lines[number - 1].count(mark) == after.count(mark) > 0 for mark in delimiter or _DELIMITERS)
    return number - is_header


def _first_cells(text: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(text), delimiter=delimiter))


def _records(text: str, delimiter: str) -> list[list[str]]:
    """The first ten records; the last line of a sample may be cut, so a hundred lines are given."""
    records = itertools.islice(csv.reader(io.StringIO(text), delimiter=delimiter), 10)
    return [record for record in records if record]


def _fit(text: str, delimiter: str, header: list[str]) -> tuple[bool, int]:
    """The fit of a delimiter: whether each record has as many cells as the header, and the number of cells."""
    even = all(len(record) == len(header) for record in _records(text, delimiter))
    return even and len(header) > 1, len(header)


def _refuse_title(text: str, delimiter: str, width: int, comments: int, name: str) -> None:
    """Refuses lines above the header, such as a report's title, which have fewer cells than all rows."""
    for mark in dict.fromkeys((delimiter, *_DELIMITERS)):
        records = _records(text, mark)
        usual, times = Counter(map(len, records)).most_common(1)[0]
        first = next(place for place, record in enumerate(records) if len(record) == usual)
        if first and usual > max(width, 1) and times == len(records) - first:
            shown = mark.join(records[0]).strip()
            raise DataError(
                f"{name}: line {comments + 1} ({shown[:40]!r}) has not as many cells as the rows, which have {usual}; "
                f"remove the {first} line{'s' if first > 1 else ''} above the header, or put '#' before each"
            )
