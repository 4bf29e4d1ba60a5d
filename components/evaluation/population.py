"""Finds how the difference between two versions' scores depends on who calls: `population.json` of a package.

Features are cut into bins of about equal numbers of the hold-out's rows. Those that the difference depends on are kept,
the strongest first, as long as there are ten rows for each bin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from components.features.encoding import numbers
from components.package.model_package import Package
from components.package.population import FEWEST_ROWS, MOST_BINS, Array, CategoryBins, Population
from components.package.population_fit import BinnedFeature, bin_number, fitted
from components.spec.contract import CategoryFeature, Feature, NumberFeature
from components.spec.values import category_text, cell_text, is_missing

#: A feature is kept if a dependence as strong as its own comes by chance in at most this part of samples.
_LEVEL: Final = 0.05
_ROWS_A_BIN: Final = 10


def fit_population(
    columns: Mapping[str, NDArray[Any]],
    champion: Package,
    features: Mapping[str, Feature],
    apart: Array,
) -> Population | None:
    """How the difference of scores, ours minus theirs, depends on the features; None if it shows no dependence.

    Args:
        columns: the hold-out's cells by feature, in the champion's types and the table's unit.
        features: those that the new version reads; the ones that the champion reads with the same type are used, for
            callers of the new version send no others.
        apart: for each row and bin what the new version is compared by, minus the champion's; (rows, bins).
    """
    known = champion.contract.features
    shared = [name for name, feature in features.items() if name in known and known[name].type == feature.type]
    binned = {name: _bin(name, known[name], columns) for name in shared}
    kept = _depended_on({name: each for name, each in binned.items() if each is not None}, apart)
    return fitted(champion.digest, kept, apart)


def _depended_on(binned: dict[str, BinnedFeature], apart: Array) -> dict[str, BinnedFeature]:
    """The features that the difference depends on, the strongest first, as many as the rows allow."""
    chances = {name: _chance(each, apart) for name, each in binned.items()}
    kept: dict[str, BinnedFeature] = {}
    left = min(MOST_BINS, len(apart) // _ROWS_A_BIN)
    for name in sorted(chances, key=lambda each: (chances[each], each)):
        size = binned[name].bins.number
        if chances[name] <= _LEVEL and size <= left:
            kept[name], left = binned[name], left - size
    return kept


def _chance(each: BinnedFeature, apart: Array) -> float:
    """How likely so large a difference between bins is by chance, at the edge that shows most; 1 with a single bin."""
    rows = np.flatnonzero(each.places >= 0)
    if each.bins.number < 2 or not len(rows):
        return 1.0
    indicators, known = each.indicators(rows), apart[rows]
    counts = indicators.sum(axis=0)
    means = indicators.T @ known / counts[:, None]
    between = (counts[:, None] * (means - known.mean(axis=0)) ** 2).sum(axis=0)
    variance = known.var(axis=0)
    most = float(np.max(between[variance > 0] / variance[variance > 0], initial=0.0))
    return float(chdtrc(each.bins.number - 1, most))


def _bin(name: str, feature: Feature, columns: Mapping[str, NDArray[Any]]) -> BinnedFeature | None:
    if isinstance(feature, CategoryFeature):
        return _bin_category(feature, columns[name])
    factor = feature.factor if isinstance(feature, NumberFeature) else 1.0
    return bin_number(feature.type, factor, numbers(feature, name, columns))


def _bin_category(feature: CategoryFeature, cells: NDArray[Any]) -> BinnedFeature | None:
    texts = np.array([None if is_missing(cell) else cell_text(cell) for cell in cells.tolist()], dtype=object)
    values = [text for text in map(category_text, feature.values) if (texts == text).sum() >= FEWEST_ROWS]
    gaps = np.array([text is None for text in texts])
    missing = bool(gaps.sum() >= FEWEST_ROWS)
    index = {text: place for place, text in enumerate(values)}
    places = np.array([index.get(text, -1) for text in texts], dtype=np.intp)
    places[gaps] = len(values) if missing else -1
    return (
        BinnedFeature(CategoryBins(kind="category", values=tuple(values), missing=missing), places) if values else None
    )
