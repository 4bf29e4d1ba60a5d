"""What a caller's value is to the model, where its contract takes more spellings or values than those it lists.

A whole-number category may be sent as 1.0 or "1.0", as every client does whose column has gaps; a value that is not
listed, or is outside of its bounds, stands for what the spec says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from components.spec.contract import CategoryFeature, DateFeature, Feature
from components.spec.values import cell_days, days_since_epoch

_WHOLE: Final = re.compile(r"[+-]?\d{1,15}(\.0*)?").fullmatch


def rules_of(features: Mapping[str, Feature]) -> dict[str, str]:
    """The features that take more values than those listed or within the bounds, with the rule: `other` or `clip`."""
    named = {
        name: feature.unknown if isinstance(feature, CategoryFeature) else feature.outside
        for name, feature in features.items()
    }
    return {name: rule for name, rule in named.items() if rule != "refuse"}


def by_rule(feature: Feature) -> Callable[[Any, Any], bool]:
    """A function that tells whether the model reads a value as it does by the feature's rule alone.

    It is given the caller's value, and what the adapter made of it.
    """
    if isinstance(feature, CategoryFeature):
        return partial(_is_another, frozenset((type(value), value) for value in feature.values))
    return _is_moved


def adapter(feature: Feature) -> Callable[[Any], Any]:
    """A function from a value that was found right to the one that the model reads."""
    if isinstance(feature, CategoryFeature):
        whole = whole_values(feature)
        return partial(as_whole, whole) if whole else _same
    if feature.outside == "refuse":
        return _same
    return partial(_day, feature) if isinstance(feature, DateFeature) else partial(_number, feature.min, feature.max)


def whole_values(feature: CategoryFeature) -> frozenset[int | str]:
    """The listed values if a whole number is among them."""
    listed = frozenset(value for value in feature.values if type(value) is not bool)
    return listed if any(type(value) is int for value in listed) else frozenset()


def as_whole(whole: frozenset[int | str], value: Any) -> Any:
    """The listed whole number that a value spells, such as 1.0 or "1.0"; any other value as it is."""
    if type(value) is float and value.is_integer():
        number = int(value)
    elif type(value) is str and value not in whole and _WHOLE(value):
        number = int(value.partition(".")[0])
    else:
        return value
    return number if number in whole else value


def _is_another(known: frozenset[tuple[type, Any]], value: Any, read: Any) -> bool:
    return value is not None and (type(read), read) not in known


def _is_moved(value: Any, read: Any) -> bool:
    return value is not None and bool(read != value)


def _same(value: Any) -> Any:
    return value


def _number(low: float, high: float, value: float | None) -> float | None:
    return None if value is None else min(max(float(value), low), high)


def _day(feature: DateFeature, value: str | None) -> str | None:
    if value is None:
        return None
    days = cell_days(value)
    if days < days_since_epoch(feature.min):
        return feature.min.isoformat()
    return feature.max.isoformat() if days > days_since_epoch(feature.max) else value
