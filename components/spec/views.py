"""The unit that callers send and the unit of the table: which of the two a step works in."""

from __future__ import annotations

import sys
from typing import Any

from components.spec.contract import DateFeature, Feature, NumberFeature, Spec
from components.spec.values import days_since_epoch


def table_bounds(feature: NumberFeature | DateFeature) -> tuple[float, float]:
    """Smallest and largest value in the table's unit; days since 1970-01-01 UTC for a date."""
    if isinstance(feature, DateFeature):
        return days_since_epoch(feature.min), days_since_epoch(feature.max)
    low, high = sorted((feature.min * feature.factor, feature.max * feature.factor))
    return low, high


def table_view(spec: Spec) -> Spec:
    """The spec as everything before the package reads it: in the table's unit, and without the table's place.

    Two specs that differ in what callers send alone have the same view, so what was trained for one serves the other.
    """
    features = {name: _in_table_unit(feature) for name, feature in spec.features.items()}
    data = spec.data.model_copy(update={"uri": "snapshot", "source": None})
    return spec.model_copy(update={"features": features, "data": data})


def recorded_spec(spec: Spec) -> dict[str, Any]:
    """The spec as a receipt keeps it, so that the package can be made again.

    Without the table's place, which is another on every machine, and without what is decided after packaging:
    another rollout of the same model is not another model.
    """
    data = spec.data.model_copy(update={"uri": "snapshot"})
    return spec.model_copy(update={"data": data}).model_dump(mode="json", exclude={"rollout", "scale"})


def learning_view(spec: Spec) -> Spec:
    """What split and training read: no ranges, gates or rollout, so that changing those trains nothing anew."""
    seen = table_view(spec)
    features = {name: _without_range(feature) for name, feature in seen.features.items()}
    return Spec(name=seen.name, data=seen.data, features=features, split=seen.split, training=seen.training)


def _without_range(feature: Feature) -> Feature:
    if not isinstance(feature, NumberFeature):
        return feature
    return feature.model_copy(update={"min": -sys.float_info.max, "max": sys.float_info.max})


def _in_table_unit(feature: Feature) -> Feature:
    if not isinstance(feature, NumberFeature):
        return feature
    # Twelve digits: 15000 cents and 150 dollars are the same bound.
    low, high = (float(f"{bound:.12g}") for bound in table_bounds(feature))
    return feature.model_copy(update={"unit": None, "factor": 1.0, "min": low, "max": high})
