"""Turns the bytes of a text file into UTF-8, where its encoding is certain."""

from __future__ import annotations

import re
from typing import Final

from components.errors import DataError

_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
#: Letters and signs of Western European languages, as Windows-1252 has them beyond ASCII.
_WESTERN: Final = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝŸßàáâãäåæçèéêëìíîïñòóôõöøùúûüýŒœŠšŽž"
    "€£§°²³µ·½¼¾«»…ºª©®™¿¡\u00a0\u2013\u2014\u2018\u2019\u201a\u201c\u201d\u201e"
)  # fmt: skip
#: Western words have one letter, at most two, beyond ASCII in a row; other alphabets have whole words of them.
_FOREIGN_RUN: Final = re.compile(rb"[\x80-\xff]{4}")
_SAMPLE: Final = 4096


def as_utf8(content: bytes, name: str) -> tuple[bytes, str]:
    """The text as UTF-8 without a mark, and a note for a person where the encoding had to be guessed.

    Raises:
        DataError: the bytes are no text, or in an encoding that is not certain.
    """
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None) or _wide(content)
    if encoding == "utf-8-sig":
        content, encoding = content[3:], None
    if encoding:
        return _decoded(content, encoding, name).encode(), ""
    if b"\0" in content[:_SAMPLE]:
        raise DataError(f"{name}: not a CSV (UTF-8) or Parquet table: it holds zero bytes")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return _western(content, name, error)
    return content, ""


def _wide(content: bytes) -> str | None:
    """UTF-16 without a mark: nearly each second byte of the first lines is zero."""
    sample = content[: min(len(content) // 2 * 2, _SAMPLE)]
    if len(sample) < 8:
        return None
    for encoding, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if zeros.count(0) > 0.7 * len(zeros) and sample.count(0) == zeros.count(0):
            return encoding
    return None


def _decoded(content: bytes, encoding: str, name: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        shown = encoding.upper().replace("-LE", "").replace("-BE", "")
        raise DataError(
            f"{name}: not a CSV (UTF-8) or Parquet table: begins like {shown}, and byte {error.start:,} breaks it"
        ) from error


def _western(content: bytes, name: str, error: UnicodeDecodeError) -> tuple[bytes, str]:
    """Windows-1252, if every sign beyond ASCII is one of Western Europe."""
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        text = ""
    foreign = {sign for sign in text if sign > "\x7f"} - _WESTERN
    if not text or foreign or _FOREIGN_RUN.search(content) or _is_mostly_utf8(content):
        row = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name}: not a CSV (UTF-8) or Parquet table: byte {error.start:,}, in line {row:,}, is not UTF-8, and "
            "which encoding it is is not certain; save the file as UTF-8"
        )
    words = re.findall(r"\w*[^\x00-\x7f]\w*", text)[:3]
    shown = ", ".join(repr(word) for word in dict.fromkeys(words))
    return text.encode(), f"read as Windows-1252, for it is not UTF-8: {shown}; save it as UTF-8 if that looks wrong"


def _is_mostly_utf8(content: bytes) -> bool:
    """Whether some letters are UTF-8, so that others are damage rather than another encoding."""
    return re.search(rb"[\xc3-\xcf][\x80-\xbf]|[\xe2-\xe9][\x80-\xbf]{2}", content) is not None
