"""Counts the cells of a table that the spec lets in as something else: other values, bounds, usual values for gaps."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.features.encoding import numbers
from components.spec.contract import CategoryFeature, DateFeature, Feature, NumberFeature, Spec
from components.spec.values import category_text
from components.spec.views import table_bounds
from components.table.examples import Examples

#: So many other values of a category are named.
_NAMED = 3


def adapted_notes(examples: Examples, spec: Spec) -> list[str]:
    """A sentence for each rule of a feature that some cells met."""
    notes = []
    for name, feature in spec.features.items():
        cells = examples.columns[name]
        counted = _others(cells, feature) if isinstance(feature, CategoryFeature) else _clipped(name, feature, examples)
        notes += [f"column {name!r}: {text}" for text in (counted, _imputed(cells, feature)) if text]
    return notes


def _others(cells: NDArray[Any], feature: CategoryFeature) -> str:
    if feature.unknown != "other":
        return ""
    listed = {category_text(value) for value in feature.values}
    found = Counter(cell for cell in cells.tolist() if cell is not None and cell not in listed)
    if not found:
        return "no row has a value that is not listed, so the model learns nothing of `other`"
    common = ", ".join(repr(word) for word, _ in found.most_common(_NAMED))
    more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    return f"{found.total():,} rows have a value that is not listed, and are `other` ({common}{more})"


def _clipped(name: str, feature: NumberFeature | DateFeature, examples: Examples) -> str:
    if feature.outside != "clip":
        return ""
    values, (low, high) = numbers(feature, name, examples.columns), table_bounds(feature)
    below, above = int(np.sum(values < low)), int(np.sum(values > high))
    return f"{below + above:,} rows are outside of its bounds, and get the nearer one" if below + above else ""


def _imputed(cells: NDArray[Any], feature: Feature) -> str:
    gaps = int(np.sum(pd.isna(cells))) if feature.missing in ("impute", "indicator") else 0
    return f"{gaps:,} gaps get the usual value" + " and a mark" * feature.has_indicator if gaps else ""
