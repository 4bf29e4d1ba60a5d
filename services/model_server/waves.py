"""Turns a value of a request into a point on the unit circle, so that the inputs of two versions can be compared.

The mean of the points, and of their fourth powers, is the characteristic function of the values at two frequencies
(Feuerverger and Mureika 1977): where it differs, the values are spread in another way. It needs no bins, which another
package would draw elsewhere, and it tells no value.
"""

from __future__ import annotations

import cmath
import math
import zlib
from collections.abc import Callable
from typing import Any, Final

from components.spec.contract import CategoryFeature, DateFeature, NumberFeature
from components.spec.values import CategoryValue, by_category, category_text, cell_days

#: Where a value that is left out lies; far from that of any common number.
_GAP: Final = cmath.rect(1, 2.5)
#: So many days are one radian.
_DAYS: Final = 100.0
_ALL_HASHES: Final = 2.0**32


def point_of(feature: NumberFeature | CategoryFeature | DateFeature) -> Callable[[Any], complex]:
    """A function from a request's value to its point: numbers by their inverse hyperbolic sine, so by size and sign."""
    if isinstance(feature, CategoryFeature):
        return by_category(feature.values, _category, _GAP, is_open=feature.unknown == "other")
    return _date if isinstance(feature, DateFeature) else _number


def _number(value: Any) -> complex:
    return _GAP if value is None else cmath.rect(1, math.asinh(value))


def _date(value: Any) -> complex:
    return _GAP if value is None else cmath.rect(1, cell_days(value) / _DAYS)


def _category(value: CategoryValue) -> complex:
    return cmath.rect(1, math.tau * zlib.crc32(category_text(value).encode()) / _ALL_HASHES)
