"""Converts rows of a table to requests as callers would send them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from components.features.encoding import RequestValue
from components.spec.contract import CategoryFeature, DateFeature, Feature, NumberFeature
from components.spec.values import category_text, days_since_epoch, is_missing
from components.table.examples import Examples

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def requests_of(examples: Examples, features: Mapping[str, Feature]) -> list[dict[str, RequestValue]]:
    """Each row in the callers' unit, within the spec's bounds; missing cells become None."""
    columns = {name: _values(examples.columns[name].tolist(), feature) for name, feature in features.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(cells: list[Any], feature: Feature) -> list[RequestValue]:
    known = {category_text(value): value for value in feature.values} if isinstance(feature, CategoryFeature) else {}
    return [None if is_missing(cell) else _value(cell, feature, known) for cell in cells]


def _value(cell: Any, feature: Feature, known: Mapping[str, Any]) -> RequestValue:
    if isinstance(feature, CategoryFeature):
        value: RequestValue = known.get(cell, cell)
        return value
    return _number(cell, feature) if isinstance(feature, NumberFeature) else _moment(cell, feature)


def _number(cell: float, feature: NumberFeature) -> float:
    """The cell in the callers' unit, clipped because dividing by the factor may exceed a bound in the last digit."""
    return float(np.clip(cell / feature.factor, feature.min, feature.max))


def _moment(cell: datetime, feature: DateFeature) -> str:
    """The text of a moment: a day if it is midnight, else a time in UTC."""
    moment = min(max(cell.replace(tzinfo=UTC), _at(feature.min)), _at(feature.max))
    whole = moment.time() == datetime.min.time()
    return moment.date().isoformat() if whole else moment.isoformat()


def _at(bound: Any) -> datetime:
    return _EPOCH + timedelta(days=days_since_epoch(bound))
