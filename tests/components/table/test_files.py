"""What a table's file may be: its kind is told by its bytes, whatever its name says."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile

import pandas as pd
import pyarrow as pa
import pytest

from components.errors import DataError
from components.table.cells import Table, parse_table

CSV = "age,region\n47,Süd\n49,Østland\n"
ROWS = {"age": [47.0, 49.0], "region": ["Süd", "Østland"]}


def parsed(content: bytes) -> Table:
    return parse_table(content, "t.csv")


def zipped(*members: tuple[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members:
            archive.writestr(name, text)
    return buffer.getvalue()


def feather() -> bytes:
    table, buffer = pa.table(ROWS), io.BytesIO()
    with pa.ipc.new_file(buffer, table.schema) as file:
        file.write_table(table)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        CSV.encode(),
        CSV.encode("utf-8-sig"),
        CSV.encode("utf-16"),
        CSV.encode("utf-16-le"),
        CSV.encode("utf-16-be"),
        CSV.encode("utf-32"),
        gzip.compress(CSV.encode()),
        bz2.compress(CSV.encode()),
        lzma.compress(CSV.encode()),
        gzip.compress(CSV.encode("utf-16")),
        zipped(("t.csv", CSV)),
        zipped(("README.txt", "read me"), ("data/t.csv", CSV), ("__MACOSX/t.csv", "x")),
        feather(),
        b"# written by a tool\n# rows: 2\n" + CSV.encode(),
        CSV.encode() + b"# the end\n",
        b"sep=;\n" + CSV.replace(",", ";").encode(),
        b'"sep=\t"\r\n' + CSV.replace(",", "\t").encode(),
        json.dumps([{"age": 47, "region": "Süd"}, {"age": 49, "region": "Østland"}]).encode(),
        b'{"age": 47, "region": "S\xc3\xbcd"}\n\n{"age": 49, "region": "\xc3\x98stland"}\n',
    ],
)
def test_every_kind_of_file_reads_as_the_same_table(content: bytes) -> None:
    assert parsed(content).frame.to_dict("list") == ROWS


def test_what_was_left_out_or_guessed_is_noted() -> None:
    western = parsed(CSV.encode("cp1252"))
    assert western.frame.to_dict("list") == ROWS
    assert western.notes[0].startswith("read as Windows-1252, for it is not UTF-8: 'Süd', 'Østland'")
    assert parsed(b"#a\n" + CSV.encode() + b"#b\n").notes == ("2 comment lines left out",)
    assert parsed(zipped(("data/t.csv", CSV))).notes == ("the table is data/t.csv in the archive",)


def test_a_header_that_begins_like_a_comment_is_a_header() -> None:
    assert list(parsed(b"#id,x\n1,2\n").frame.columns) == ["#id", "x"]
    assert list(parsed(b"# made today\n#id,x\n1,2\n").frame.columns) == ["#id", "x"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped(("xl/workbook.xml", "<x/>")), "an Excel workbook, not a CSV or Parquet table; save its sheet as CSV"),
        (zipped(("a.csv", CSV), ("b.csv", CSV)), r"a zip archive that holds 2 tables: 'a.csv', 'b.csv'; unpack it"),
        (zipped(), "zip archive that holds no table|not a CSV"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "an old Excel workbook"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"SQLite format 3\0" + b"\0" * 100, "an SQLite database"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS, .* run `git lfs pull`"),
        (b"\x80\x04\x95\x10\0\0\0", "a Python pickle"),
        (gzip.compress(CSV.encode())[:-12], "begins like a gzip file and cannot be unpacked"),
        ("год,Ё\nЖдём,47\n".encode("cp1251"), "line 1, is not UTF-8, and which encoding it is is not certain"),
        (b"a,b\nS\xc3\xbcd,1\nS\xfcd,2\n", "byte 12, in line 3, is not UTF-8"),
        (CSV.encode("utf-16")[:-1], "begins like UTF-16, and byte"),
        (b'[{"a": 1}, 2]', r"row 2 is a number, not an object"),
        (b'[{"a": 1},\n {"a" 2}]', "begins like JSON and is not: .* at line 2, column 7"),
        (b'{"a": 1}\n{"a" 2}\n', "begins like JSON and is not: .* at line 2, column 6"),
        (b'{"a": [1, 2]}', "a JSON object with 'a', not rows; write a list of objects"),
        (b"Report of May\n\na,b,c\n1,2,3\n4,5,6\n", r"line 1 \('Report of May'\) has not as many cells as the rows"),
        (
            b"a,b\n1,2\n3,4,5\n6,7\n8\n",
            r"the header has 2 cells, and row 2 has 3 \('3,4,5'\); rows 4 do not fit either",
        ),
        (b"# nothing\n# else\n", "comments only"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_to_do(content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        parsed(content)
    assert str(caught.value).startswith("t.csv: ")
    assert "\n" not in str(caught.value)


def test_a_row_that_does_not_fit_is_named_deep_in_a_table() -> None:
    rows = "".join(f"{row},x\n" for row in range(150_000))
    with pytest.raises(DataError, match=r"row 140001 has 3 \('1,2,3'\)"):
        parsed(f"a,b\n{rows[: rows.index('140000,x')]}1,2,3\n{rows[rows.index('140000,x') :]}".encode())


def test_json_columns_are_numbers_booleans_or_text() -> None:
    content = [{"n": 1, "b": True, "t": "x", "m": 1}, {"n": None, "b": None, "m": "two", "o": {"k": [1]}}, {"n": 2.5}]
    frame = parsed(json.dumps(content).encode()).frame
    assert [str(kind) for kind in frame.dtypes] == ["float64", "boolean", "str", "str", "str"]
    assert frame["m"].tolist()[:2] == ["1", "two"]
    assert frame["o"][1] == '{"k": [1]}'
    assert pd.isna(frame["t"][2])
