"""Converts any column to one of three kinds: numbers, booleans or text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

#: Cells that stand for a missing value, stripped of white space. Infinity is among them because
#: JSON, and so a request, cannot hold it; the spellings are those of pandas, numpy and R.
MISSING_MARKERS = (
    "", "?", "-", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "NULL", "null", "None",
    "inf", "-inf", "Inf", "-Inf", "Infinity", "-Infinity",
)  # fmt: skip
#: Whole numbers up to this are exact as float64.
LARGEST_EXACT = 2.0**53
#: Digits with a leading zero are not a number: 01067 is a code, and would lose its zero.
NUMBER = r"^[+-]?(0|[1-9]\d*|0?\.\d+|(0|[1-9]\d*)\.\d*)([eE][+-]?\d+)?$"
BOOLEAN = r"^(?i:true|false)$"
_THOUSANDS = r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$"
_DECIMAL_COMMA = r"^[+-]?(0|[1-9]\d*),\d+$"


@dataclass(frozen=True)
class CanonicalColumn:
    """The cells of one kind, and a note for a person on how they were read."""

    values: pd.Series
    note: str = ""


def canonical(column: pa.ChunkedArray, *, read_before: bool) -> CanonicalColumn:
    """A column as float64, pandas "boolean" or text; with `read_before`, text has already been converted and stays."""
    kind = column.type
    if read_before and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return CanonicalColumn(column.to_pandas().astype("str"))
    if pa.types.is_boolean(kind):
        return CanonicalColumn(column.to_pandas().astype("boolean"))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _of_floats(pc.cast(column, pa.float64(), safe=False))
    if pa.types.is_integer(kind):
        return _of_integers(column)
    return _of_texts(_as_text(column))


def _as_text(column: pa.ChunkedArray) -> pa.Array:
    """The cells of any other column as text; times in ISO 8601, with Z if the column has a zone."""
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        utc = pc.cast(column, pa.timestamp(column.type.unit))
        return pc.binary_join_element_wise(pc.cast(utc, pa.string()), "Z", "").combine_chunks()
    try:
        return pc.cast(column, pa.string()).combine_chunks()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return pa.array([None if cell is None else str(cell) for cell in column.to_pylist()], pa.string())


def _of_floats(column: pa.ChunkedArray, note: str = "") -> CanonicalColumn:
    """Converts floats; infinity counts as missing, like its spellings in text."""
    values = column.to_pandas().astype("float64")
    infinite = np.isinf(values.to_numpy())
    if infinite.any():
        note = f"infinite cells read as missing: {infinite.sum():,}"
    return CanonicalColumn(values.mask(infinite), note)


def _of_integers(column: pa.ChunkedArray) -> CanonicalColumn:
    bounds = pc.min_max(column).as_py()
    largest = max(abs(bounds["min"] or 0), abs(bounds["max"] or 0))
    if largest > LARGEST_EXACT:
        return _of_texts(pc.cast(column, pa.string()).combine_chunks())
    return CanonicalColumn(pc.cast(column, pa.float64()).to_pandas().astype("float64"))


def _of_texts(cells: pa.Array) -> CanonicalColumn:
    """Converts text: all numbers become float64, all true or false become boolean, anything else stays text."""
    encoded = cells.dictionary_encode()
    trimmed = pc.utf8_trim_whitespace(encoded.dictionary)
    marker = pc.is_in(trimmed, value_set=pa.array(MISSING_MARKERS))
    words = pc.if_else(marker, pa.scalar(None, pa.string()), trimmed)
    note = _marker_note(words, trimmed)
    if _all_match(words, BOOLEAN):
        truth = pc.equal(pc.utf8_lower(words), "true")
        return CanonicalColumn(truth.take(encoded.indices).to_pandas().astype("boolean"), note)
    digits, comma_note = _without_commas(words)
    numbers = _exact_numbers(digits)
    if numbers is not None:
        return _of_floats(numbers.take(encoded.indices), "; ".join(filter(None, [note, comma_note])))
    return CanonicalColumn(words.take(encoded.indices).to_pandas().astype("str"), note)


def _marker_note(words: pa.Array, trimmed: pa.Array) -> str:
    """A note on the spellings of missing values, except for the empty cell."""
    found = sorted({text for text in trimmed.filter(pc.is_null(words)).to_pylist() if text})
    return f"{', '.join(found)} read as missing" if found else ""


def _all_match(words: pa.Array, pattern: str) -> bool:
    """True if there are words and every word matches."""
    return len(words) > words.null_count and bool(pc.all(pc.match_substring_regex(words, pattern)).as_py())


def _without_commas(words: pa.Array) -> tuple[pa.Array, str]:
    """The words without thousands separators or with decimal points for commas, and a note on the change."""
    with_comma = words.filter(pc.fill_null(pc.match_substring(words, ","), fill_value=False))
    if _all_match(with_comma, _THOUSANDS):
        return pc.replace_substring(words, ",", ""), "commas are read as thousands separators"
    if _all_match(with_comma, _DECIMAL_COMMA):
        return pc.replace_substring(words, ",", "."), "commas are read as decimal points"
    return words, ""


def _exact_numbers(words: pa.Array) -> pa.Array | None:
    """The words as float64; None if a word is not a number, or is a whole number too long for float64."""
    if len(words) > words.null_count and not _all_match(words, NUMBER):
        return None
    numbers = pc.cast(pc.replace_substring_regex(words, r"^\+", ""), pa.float64())
    too_long = pc.and_(pc.greater(pc.abs(numbers), LARGEST_EXACT), pc.match_substring_regex(words, r"^[^.eE]*$"))
    return None if pc.any(too_long).as_py() else numbers
