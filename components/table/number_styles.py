"""Reads numbers as people and office programs write them: `$1,234.50`, `1.234,56`, `39.9%`, `(12)`.

A column has one style, and every one of its cells must fit it; otherwise its cells stay text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_SIGNS: Final = "$€£¥₹₩₽₺₪฿₫₴"
_CODES: Final = "USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|TRY|Rs\\.?|kr\\.?"
_CURRENCY: Final = rf"[{_SIGNS}]|[A-Z]{{1,3}}[$]|{_CODES}"
_BEFORE: Final = rf"^([+-]?)\s*(?:{_CURRENCY})\s*([+-]?[\d.,(].*)$"
_AFTER: Final = rf"^(.*[\d.)])\s*(?:{_CURRENCY})$"
_THOUSANDS: Final = r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$"
_DECIMAL_COMMA: Final = r"^[+-]?(0|[1-9]\d*),\d+$"
_DOTTED: Final = r"^[+-]?([1-9]\d{0,2}(\.\d{3})+|0|[1-9]\d*)(,\d+)?$"
_SPACED: Final = r"^[+-]?[1-9]\d{0,2}([ \x{00a0}\x{202f}'\x{2019}]\d{3})+([.,]\d+)?$"

#: Words of a column with fewer signs than before, and a note on it; None where the style does not fit.
_Step = Callable[[pa.Array], tuple[pa.Array, str] | None]


def plain_numbers(words: pa.Array) -> tuple[pa.Array, str]:
    """The words without signs that are no part of a number, with points for decimal commas, and a note on the change.

    The words of a column that has no such style come back as they are. Null stays null.
    """
    notes = []
    for step in (_without_parentheses, _without_currency, _without_percent, _without_spaces, _without_marks):
        found = step(words)
        if found:
            words, note = found
            notes.append(note)
    return words, "; ".join(notes)


def all_match(words: pa.Array, pattern: str) -> bool:
    """True if there are words and every word matches."""
    return len(words) > words.null_count and bool(pc.all(pc.match_substring_regex(words, pattern)).as_py())


def _some(words: pa.Array, pattern: str) -> pa.Array:
    """The words that match."""
    return words.filter(pc.fill_null(pc.match_substring_regex(words, pattern), fill_value=False))


def _without_parentheses(words: pa.Array) -> tuple[pa.Array, str] | None:
    """Accountants write -12 as (12)."""
    pattern = rf"^((?:{_CURRENCY})?\s*)\(\s*([^()+-]*\d[^()+-]*)\)(%?)$"
    if not len(_some(words, pattern)):
        return None
    return pc.replace_substring_regex(words, pattern, r"-\1\2\3"), "numbers in parentheses are read as negative"


def _without_currency(words: pa.Array) -> tuple[pa.Array, str] | None:
    """Cells in one currency, before or after the number; some may lack its sign."""
    signs = {_sign(word) for word in pc.unique(_some(words, rf"{_BEFORE}|{_AFTER}")).to_pylist()}
    if len(signs) != 1:
        return None
    plain = pc.replace_substring_regex(pc.replace_substring_regex(words, _AFTER, r"\1"), _BEFORE, r"\1\2")
    return plain, f"the currency {signs.pop()} is left out"


def _sign(word: str) -> str:
    found = re.search(_CURRENCY, word)
    return found[0] if found else ""


def _without_percent(words: pa.Array) -> tuple[pa.Array, str] | None:
    """Percent, if every number but zero has the sign: a column of both would have two units."""
    if not all_match(words, r"^[^%]*\d\s*%$|^0$"):
        return None
    return pc.replace_substring_regex(words, r"\s*%$", ""), "percent signs are left out: 12% is 12"


def _without_spaces(words: pa.Array) -> tuple[pa.Array, str] | None:
    spaced = _some(words, r"\d[ \x{00a0}\x{202f}'\x{2019}]\d")
    if not all_match(spaced, _SPACED):
        return None
    return (
        pc.replace_substring_regex(words, r"[ \x{00a0}\x{202f}'\x{2019}]", ""),
        "blanks or apostrophes are read as thousands separators",
    )


def _without_marks(words: pa.Array) -> tuple[pa.Array, str] | None:
    """Words without thousands separators, with decimal points for commas."""
    with_comma = _some(words, ",")
    if all_match(with_comma, _THOUSANDS):
        return pc.replace_substring(words, ",", ""), "commas are read as thousands separators"
    if _is_dotted(words):
        plain = pc.replace_substring(pc.replace_substring(words, ".", ""), ",", ".")
        return plain, "points are read as thousands separators, commas as decimal points"
    if all_match(with_comma, _DECIMAL_COMMA):
        return pc.replace_substring(words, ",", "."), "commas are read as decimal points"
    return None


def _is_dotted(words: pa.Array) -> bool:
    """Whether points stand for thousands: 1.234 alone does not show it, 1.234,5 and 1.234.567 do."""
    return all_match(words, _DOTTED) and len(_some(words, r"\.\d{3},|\.\d{3}\.")) > 0
