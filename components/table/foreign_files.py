"""Tells by its first bytes what a file is that is no table, and what to do."""

from __future__ import annotations

import re
from typing import Final

from components.errors import DataError

#: The first bytes of a kind of file, its name, and how to make a table of it.
_KINDS: Final = (
    (rb"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "save its sheet as CSV (UTF-8)"),
    (rb"%PDF", "a PDF document", "copy its table into a spreadsheet and save that as CSV (UTF-8)"),
    (rb"\s*<(!doctype html|html|head|table)\b", "a web page", "download the table itself, perhaps after a login,"),
    (rb"\s*<\?xml|\s*<[\w:]+[ >]", "an XML document", "write its rows as CSV (UTF-8)"),
    (rb"SQLite format 3\0", "an SQLite database", "write its table as CSV (UTF-8)"),
    (rb"\x89HDF", "an HDF5 file", "write its table as Parquet, such as by pandas' to_parquet"),
    (rb"PARE", "an encrypted Parquet file", "decrypt it"),
    (rb"Obj\x01", "an Avro file", "write its rows as Parquet"),
    (rb"\$FL[23]", "an SPSS file", "write it as CSV (UTF-8)"),
    (rb"<stata_dta>|[\x71-\x73][\x01\x02]\x01\0", "a Stata file", "write it as CSV (UTF-8)"),
    (rb"\0{12}\xc2\xea\x81\x60", "a SAS file", "write it as CSV (UTF-8)"),
    (rb"RD[AX][23]\n|[XA]\n\0\0\0", "an R data file", "write it as CSV (UTF-8), such as by write.csv"),
    (rb"\x93NUMPY", "a NumPy array", "write it as CSV or Parquet with a name for each column"),
    (rb"\x80[\x02-\x05][\x95\x8a}\](c]", "a Python pickle", "write its table as Parquet; a pickle is never opened"),
    (rb"7z\xbc\xaf|Rar!", "an archive (7z or RAR)", "unpack it, and name the table"),
    (rb".{257}ustar", "a tar archive", "unpack it, and name the table"),
    (rb"version https://git-lfs", "a pointer of Git LFS, not the file itself", "run `git lfs pull`"),
)  # fmt: skip


def refuse_foreign(content: bytes, name: str) -> None:
    """Refuses a file of a kind that holds no table that can be read.

    Raises:
        DataError: says which kind it is, and what to do.
    """
    for pattern, kind, remedy in _KINDS:
        if re.match(pattern, content[:512], re.IGNORECASE | re.DOTALL):
            raise DataError(f"{name}: {kind}, not a CSV or Parquet table; {remedy} and name that")
