"""Views of the spec: in the table's unit rather than the callers', and cut to what each step reads."""

from __future__ import annotations

import sys
from pathlib import PurePath
from typing import Any

from components.spec.contract import DateFeature, Feature, NumberFeature, Spec
from components.spec.values import days_since_epoch


def table_bounds(feature: NumberFeature | DateFeature) -> tuple[float, float]:
    """The smallest and largest value in the table's unit; days since 1970-01-01 UTC for a date."""
    if isinstance(feature, DateFeature):
        return days_since_epoch(feature.min), days_since_epoch(feature.max)
    low, high = sorted((feature.min * feature.factor, feature.max * feature.factor))
    return low, high


def table_view(spec: Spec) -> Spec:
    """The spec for all steps before packaging: in the table's unit, without the table's location.

    Specs that differ only in what callers send have the same view, so a model trained for one serves the other.
    """
    features = {name: _in_table_unit(feature) for name, feature in spec.features.items()}
    data = spec.data.model_copy(update={"uri": "snapshot", "source": None})
    return spec.model_copy(update={"features": features, "data": data, "resources": {}})


def without_folder(spec: Spec) -> Spec:
    """The spec without this machine's folder, which `load_spec` put before the table's name; a URI stays."""
    uri = spec.data.uri if "://" in spec.data.uri else PurePath(spec.data.uri).name
    return spec.model_copy(update={"data": spec.data.model_copy(update={"uri": uri})})


def recorded_spec(spec: Spec) -> dict[str, Any]:
    """The spec as a receipt records it, so that the package can be rebuilt.

    The view leaves out the table's location and the steps' resources, which differ between machines, and every
    decision after packaging: another rollout does not make another model.
    """
    data = spec.data.model_copy(update={"uri": "snapshot"})
    return spec.model_copy(update={"data": data}).model_dump(mode="json", exclude={"rollout", "scale", "resources"})


def learning_view(spec: Spec) -> Spec:
    """The spec for split and training: without ranges, gates and rollout, so that changing those retrains nothing."""
    seen = table_view(spec)
    features = {name: _without_range(feature) for name, feature in seen.features.items()}
    return Spec(name=seen.name, data=seen.data, features=features, split=seen.split, training=seen.training)


def _without_range(feature: Feature) -> Feature:
    if not isinstance(feature, NumberFeature) or feature.outside == "clip":
        return feature  # a bound that stands for larger values is something that the model learns
    return feature.model_copy(update={"min": -sys.float_info.max, "max": sys.float_info.max})


def _in_table_unit(feature: Feature) -> Feature:
    if not isinstance(feature, NumberFeature):
        return feature
    # Twelve digits make 15000 cents and 150 dollars the same bound.
    low, high = (float(f"{bound:.12g}") for bound in table_bounds(feature))
    return feature.model_copy(update={"unit": None, "factor": 1.0, "min": low, "max": high})
