"""Unpacks a table's file, told by its bytes: gzip, bzip2, xz, zstd, or a zip archive with one table in it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Final

import pyarrow as pa

from components.errors import DataError

_ZIP: Final = b"PK\x03\x04"
_TABLE_SUFFIXES: Final = frozenset({".csv", ".tsv", ".tab", ".parquet", ".json", ".jsonl", ".ndjson"})
#: Members of an archive that some system added, and nobody means.
_SYSTEM_NAMES: Final = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
#: So many members of an archive are named in a message.
_NAMED: Final = 10


def _zstd(content: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
        return bytes(stream.read())


_UNPACKERS: Final[dict[bytes, tuple[str, Callable[[bytes], bytes]]]] = {
    b"\x1f\x8b": ("gzip", gzip.decompress),
    b"BZh": ("bzip2", bz2.decompress),
    b"\xfd7zXZ\0": ("xz", lzma.decompress),
    b"\x28\xb5\x2f\xfd": ("zstd", _zstd),
}


def unpack(content: bytes, name: str) -> tuple[bytes, str]:
    """The bytes of the table in a file, and a note for a person if a zip archive had to be opened.

    Raises:
        DataError: the file is damaged, or an archive that holds no table, or more than one.
    """
    if content.startswith(_ZIP):
        return _only_table(content, name)
    for mark, (kind, unpacker) in _UNPACKERS.items():
        if content.startswith(mark):
            try:
                return unpacker(content), ""
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
                raise DataError(f"{name}: begins like a {kind} file and cannot be unpacked: {error}") from error
    return content, ""


def _only_table(content: bytes, name: str) -> tuple[bytes, str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            member = _table_among([info.filename for info in archive.infolist() if not info.is_dir()], name)
            unpacked, _ = unpack(archive.read(member), f"{name}, {member}")
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error, EOFError) as error:
        raise DataError(
            f"{name}: not a CSV or Parquet table, but a zip archive that cannot be read: {error}"
        ) from error
    return unpacked, f"the table is {member} in the archive"


def _table_among(members: list[str], name: str) -> str:
    _refuse_documents(members, name)
    members = [member for member in members if not any(system in member for system in _SYSTEM_NAMES)]
    tables = [member for member in members if _is_table(member)] or members
    if len(tables) == 1:
        return tables[0]
    shown = ", ".join(map(repr, tables[:_NAMED])) + f" and {len(tables) - _NAMED} more" * (len(tables) > _NAMED)
    holds = f"{len(tables)} tables: {shown}; unpack it, and name one of them" if tables else "no table"
    raise DataError(f"{name}: a zip archive that holds {holds}")


def _is_table(member: str) -> bool:
    path = PurePosixPath(member.lower())
    return path.suffix in _TABLE_SUFFIXES or path.with_suffix("").suffix in _TABLE_SUFFIXES


def _refuse_documents(members: list[str], name: str) -> None:
    """Refuses the documents of office programs, which are zip archives, too."""
    kinds = {"xl/": "an Excel workbook", "word/": "a Word document", "content.xml": "an OpenDocument file"}
    for start, kind in kinds.items():
        if any(member.startswith(start) for member in members):
            raise DataError(f"{name}: {kind}, not a CSV or Parquet table; save its sheet as CSV (UTF-8) and name that")
