"""Converts any column to one of three kinds: numbers, booleans or text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.table.number_styles import all_match, plain_numbers
from components.table.wording import NUMBER, WORDS_OF_A_TARGET, ColumnReading

#: Whole numbers up to this are exact as float64.
LARGEST_EXACT = 2.0**53
BOOLEAN = r"^(?i:true|false)$"
#: Digits that name something and are no quantity: a phone number, and a code such as 12E3 (an exponent has a sign,
#: or a fraction before it, wherever a program writes one with a capital letter).
CODE = r"^(\+\d{8,}|\d+E\d+)$"
#: The largest float64, which programs write for "no value".
_LARGEST = float(np.finfo(np.float64).max)
#: With more spellings than this, digits are quantities, of which some are written with zeros at their end.
MOST_CODES = 50
_MOMENT = r"^\d{4}-\d{2}-\d{2}([T ].*)?$"


@dataclass(frozen=True)
class CanonicalColumn:
    """The cells of one kind, and a note for a person on how they were read."""

    values: pd.Series
    note: str = ""


def canonical(column: pa.ChunkedArray, reading: ColumnReading, *, read_before: bool) -> CanonicalColumn:
    """A column as float64, pandas "boolean" or text; with `read_before`, text has already been converted and stays."""
    kind = column.type
    if read_before and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return CanonicalColumn(column.to_pandas().astype("str"))
    if pa.types.is_boolean(kind):
        return CanonicalColumn(column.to_pandas().astype("boolean"))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _of_floats(pc.cast(column, pa.float64(), safe=False))
    if pa.types.is_integer(kind):
        return _of_integers(column, reading)
    return _of_texts(_as_text(column), reading)


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
    """Converts floats; infinity counts as missing, like its spellings in text, and so does the largest float64."""
    values = column.to_pandas().astype("float64")
    sizes = np.abs(values.to_numpy())
    for cells, name in ((np.isinf(sizes), "infinite cells"), (sizes == _LARGEST, f"cells of {_LARGEST!r}")):
        if cells.any():
            note = "; ".join(filter(None, [note, f"{name} read as missing: {cells.sum():,}"]))
    return CanonicalColumn(values.mask(sizes >= _LARGEST), note)


def _of_integers(column: pa.ChunkedArray, reading: ColumnReading) -> CanonicalColumn:
    bounds = pc.min_max(column).as_py()
    largest = max(abs(bounds["min"] or 0), abs(bounds["max"] or 0))
    if largest > LARGEST_EXACT:
        return _of_texts(pc.cast(column, pa.string()).combine_chunks(), reading)
    return CanonicalColumn(pc.cast(column, pa.float64()).to_pandas().astype("float64"))


def _of_texts(cells: pa.Array, column: ColumnReading) -> CanonicalColumn:
    """Converts text: all numbers become float64, all true or false become boolean, anything else stays text."""
    encoded = cells.dictionary_encode()
    trimmed = pc.utf8_trim_whitespace(encoded.dictionary)
    for gaps in () if column.verbatim else (column.gaps, column.gaps_of_values):
        known = _known(trimmed, column, gaps)
        # A column of "none" alone is a column of words.
        some = gaps is column.gaps or len(known) > known.null_count
        found = _of_words(known, trimmed, encoded.indices) if some else None
        if found:
            return found
    words = _answers(trimmed, column) if column.answers else _known(trimmed, column, column.gaps)
    return CanonicalColumn(words.take(encoded.indices).to_pandas().astype("str"), _marker_note(words, trimmed))


def _answers(trimmed: pa.Array, column: ColumnReading) -> pa.Array:
    """The words of a target: "None" is one of two answers, and a gap beside two others."""
    words = _known(trimmed, column, column.gaps)
    others = words.filter(pc.invert(pc.is_in(words, value_set=pa.array(sorted(WORDS_OF_A_TARGET)))))
    return words if len(others.drop_null()) > 1 else _known(trimmed, column, column.gaps - WORDS_OF_A_TARGET)


def _known(trimmed: pa.Array, column: ColumnReading, gaps: frozenset[str]) -> pa.Array:
    """The words, null where one stands for a gap; a word that is a value of the column is none."""
    marker = pc.is_in(trimmed, value_set=pa.array(sorted(gaps - column.values), pa.string()))
    return pc.if_else(marker, pa.scalar(None, pa.string()), trimmed)


def _of_words(words: pa.Array, trimmed: pa.Array, places: pa.Array) -> CanonicalColumn | None:
    """The column if all of its words are booleans, numbers or moments, else None."""
    note = _marker_note(words, trimmed)
    if all_match(words, BOOLEAN):
        truth = pc.equal(pc.utf8_lower(words), "true")
        return CanonicalColumn(truth.take(places).to_pandas().astype("boolean"), note)
    if all_match(words, _MOMENT):
        return CanonicalColumn(words.take(places).to_pandas().astype("str"), note)
    # Most columns are plain, and a wide table is read in the time of this look.
    plain, style_note = (words, "") if all_match(words, NUMBER) else plain_numbers(words)
    numbers = None if _are_codes(words) else _exact_numbers(plain)
    return None if numbers is None else _of_floats(numbers.take(places), "; ".join(filter(None, [note, style_note])))


def _are_codes(words: pa.Array) -> bool:
    """Whether digits are names: one is a code, or 1.1 and 1.10 are two words, of which there are few."""
    if len(words) == words.null_count:
        return False
    if pc.any(pc.match_substring_regex(words, CODE)).as_py():
        return not pc.any(pc.match_substring_regex(words, r"\d\.\d")).as_py()
    fractions = words.filter(pc.fill_null(pc.match_substring_regex(words, r"^\d+\.\d*[1-9]0*$"), fill_value=False))
    bare = pc.utf8_rtrim(fractions, "0")
    return len(words) <= MOST_CODES and len(pc.unique(bare)) < len(fractions)


def _marker_note(words: pa.Array, trimmed: pa.Array) -> str:
    """A note on the spellings of missing values, except for the empty cell."""
    found = sorted({text for text in trimmed.filter(pc.is_null(words)).to_pylist() if text})
    return f"{', '.join(found)} read as missing" if found else ""


def _exact_numbers(words: pa.Array) -> pa.Array | None:
    """The words as float64; None if a word is not a number, or is a whole number too long for float64."""
    if len(words) > words.null_count and not all_match(words, NUMBER):
        return None
    numbers = pc.cast(pc.replace_substring_regex(words, r"^\+", ""), pa.float64())
    too_long = pc.and_(pc.greater(pc.abs(numbers), LARGEST_EXACT), pc.match_substring_regex(words, r"^[^.eE]*$"))
    return None if pc.any(too_long).as_py() else numbers
