"""Measures the shift of a feature's distribution since an earlier table."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.features.encoding import numbers
from components.spec.contract import CategoryFeature, Feature
from components.spec.values import category_text
from components.table.examples import Columns

BINS = 10


@dataclass(frozen=True)
class Shift:
    """The shift of one feature.

    Attributes:
        index: population stability index, the symmetrised Kullback-Leibler divergence over the bins.
        noise: the largest index to expect between two samples of one distribution.
        judged: whether the shift can refuse a table; false for a date, which shifts by its nature.
        sentence: the shift in plain words.
        rows: positions of the rows in the bin that grew most.
    """

    index: float
    noise: float
    judged: bool
    sentence: str
    rows: NDArray[np.intp]


def shift_of(name: str, feature: Feature, before: Columns, now: Columns) -> Shift:
    """The shift of one feature between two tables.

    Numbers and dates are binned by the deciles of `before`, categories by value; gaps have a bin of their own.
    """
    old, new, names = _places(name, feature, before, now)
    shares = [
        (np.bincount(places, minlength=len(names)) + 0.5) / (len(places) + 0.5 * len(names)) for places in (old, new)
    ]
    parts = (shares[1] - shares[0]) * np.log(shares[1] / shares[0])
    index = float(parts.sum())
    grown = int(np.argmax(np.where(shares[1] > shares[0], parts, -1.0)))
    sentence = (
        f"column {name!r} is shifted against the champion's data (stability index {index:.2f}): "
        f"{names[grown]} is {shares[1][grown]:.1%} of the rows, was {shares[0][grown]:.1%}"
    )
    return Shift(
        index, _noise(len(names), len(old), len(new)), feature.type != "date", sentence, np.flatnonzero(new == grown)
    )


def _noise(bins: int, before: int, now: int) -> float:
    """Three standard deviations above the mean of the index without shift.

    Without shift the index is chi-squared with bins - 1 degrees of freedom, scaled by 1/n + 1/m
    (Yurdakul, Statistical properties of population stability index, 2018).
    """
    freedom = bins - 1
    return float((freedom + 3 * np.sqrt(2 * freedom)) * (1 / before + 1 / now))


def _places(name: str, feature: Feature, before: Columns, now: Columns) -> tuple[NDArray[Any], NDArray[Any], list[str]]:
    """Each row's bin before and now, and the bins' descriptions."""
    if isinstance(feature, CategoryFeature):
        words = [category_text(value) for value in feature.values]
        index = {word: place for place, word in enumerate(words)}
        other = len(words)
        old, new = (np.array([index.get(cell, other) for cell in table[name]]) for table in (before, now))
        return old, new, [*(repr(word) for word in words), "missing or another value"]
    was, cells = numbers(feature, name, before), numbers(feature, name, now)
    known = was[~np.isnan(was)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else np.zeros(0)
    old, new = (np.where(np.isnan(v), len(edges) + 1, np.searchsorted(edges, v)) for v in (was, cells))
    return old, new, [*_ranges(edges), "missing"]


def _ranges(edges: NDArray[np.float64]) -> list[str]:
    if not len(edges):
        return ["any value"]
    between = [f"{low:g} to {high:g}" for low, high in pairwise(edges.tolist())]
    return [f"at most {edges[0]:g}", *between, f"above {edges[-1]:g}"]
