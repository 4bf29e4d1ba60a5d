"""Behavioural checks: how a model reacts to a change of one value (Ribeiro et al., CheckList, ACL 2020)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluation.result import Flips, Trend
from components.features.encoding import numbers
from components.models.trained import Trained
from components.package.answers import Outputs
from components.spec.contract import CategoryFeature, DateFeature, Direction, Feature, Spec
from components.spec.values import category_text, days_to_moments
from components.spec.views import table_bounds
from components.table.examples import Columns, Examples

THRESHOLD = 0.5


def flips(model: Trained, examples: Examples, spec: Spec, feature: str) -> Flips:
    """The largest share of labels that change when every row gets the same other value of a feature.

    Without a value to try, nothing is shown, and every label counts as changed.
    """
    labels = _labels(model.score(examples.columns))
    rule = spec.features[feature]
    ratios = [
        float(np.mean(_labels(model.score({**examples.columns, feature: cells})) != labels))
        for cells in _others(rule, feature, examples.columns)
    ]
    return Flips(feature=feature, ratio=max(ratios, default=1.0))


def _labels(scores: Outputs) -> NDArray[Any]:
    """The label of each row: whether it is positive, or the number of its class."""
    return scores.argmax(axis=1) if scores.ndim > 1 else scores >= THRESHOLD


def _others(rule: Feature, name: str, columns: Columns) -> list[NDArray[Any]]:
    """The columns to try instead: one for each value of a category, or for each decile of a number or date."""
    rows = len(columns[name])
    if isinstance(rule, CategoryFeature):
        return [np.full(rows, category_text(value), dtype=object) for value in rule.values]
    values = columns[name][~np.isnan(columns[name])]
    if not len(values):
        return []
    deciles = np.sort(values)[np.linspace(0, len(values) - 1, 9).astype(int)]
    return [np.full(rows, value) for value in deciles]


def trend(model: Trained, examples: Examples, spec: Spec, demanded: Direction) -> Trend:
    """The share of rows whose score moves the demanded way, or stays, when a number or date is raised.

    The value rises by its standard deviation, at most to the largest value that the spec allows. A
    feature that is always missing or never varies can show nothing; its share is 0.
    """
    feature, raises = demanded.feature, demanded.raises
    rule = spec.features[feature]
    if isinstance(rule, CategoryFeature):
        raise TypeError(f"{feature!r} is a category; the spec refuses it here")
    values = numbers(rule, feature, examples.columns)
    known = ~np.isnan(values)
    spread = float(np.std(values[known])) if known.any() else 0.0
    if not spread:
        return Trend(feature=feature, raises=raises, share=0.0, of=demanded.of)
    raised = np.minimum(values + spread, max(table_bounds(rule)[1], float(np.nanmax(values))))
    moved = model.score({**examples.columns, feature: _as_cells(raised, rule)}) - model.score(examples.columns)
    if demanded.of is not None:
        moved = moved[:, spec.data.classes.index(demanded.of)]
    right = moved >= 0 if raises else moved <= 0
    return Trend(feature=feature, raises=raises, share=float(right[known].mean()), of=demanded.of)


def _as_cells(values: NDArray[np.float64], rule: Feature) -> NDArray[Any]:
    return days_to_moments(values) if isinstance(rule, DateFeature) else values
