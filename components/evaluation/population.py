"""Finds how the difference between two versions' scores depends on who calls: `population.json` of a package.

Features are cut into bins of about equal numbers of the hold-out's rows. Those that the difference depends on are kept,
the strongest first, as long as there are ten rows for each bin. A ridge regression on all kept bins together then gives
each bin its effect, so that two features that go together do not count twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from components.features.encoding import numbers
from components.package.model_package import Package, score_bin
from components.package.population import (
    FEWEST_ROWS,
    MOST_BINS,
    CategoryBins,
    CountedFeature,
    NumberBins,
    Population,
)
from components.spec.contract import SCORE_EDGES, CategoryFeature, DateFeature, Feature, NumberFeature
from components.spec.values import category_text, cell_text, is_missing

Array = NDArray[np.float64]

#: The most bins of a number, each with about the same number of rows, and the rows of a hold-out for each of them.
_BINS, _HOLDOUT_ROWS_A_BIN = 12, 60
#: A feature is kept if a dependence as strong as its own comes by chance in at most this part of samples.
_LEVEL: Final = 0.05
_ROWS_A_BIN: Final = 10
#: The effect of a bin is drawn towards nothing as if so many of its rows showed none.
_RIDGE: Final = 2.0
#: Effects are written with so many decimals, so that another machine's last digits do not change a package.
_DECIMALS: Final = 5


@dataclass(frozen=True)
class _Binned:
    """A feature with the bin of each row, -1 for a value that too few rows share."""

    bins: NumberBins | CategoryBins
    places: NDArray[np.intp]

    def indicators(self, rows: NDArray[np.intp]) -> Array:
        """1 in the column of each row's bin, else 0; (rows, bins)."""
        return np.eye(self.bins.number)[self.places[rows]]


def fit_population(
    columns: Mapping[str, NDArray[Any]], champion: Package, features: Iterable[str], ours: Array, theirs: Array
) -> Population | None:
    """How the difference of scores, ours minus theirs, depends on the features; None if it shows no dependence.

    Args:
        columns: the hold-out's cells by feature, in the champion's types and the table's unit.
        features: the names of the features that the new version reads; those that the champion reads, too, are used.
        ours, theirs: the scores of the new version and of the champion on those rows.
    """
    edges = np.arange(len(SCORE_EDGES))
    apart = (score_bin(ours)[:, None] <= edges).astype(np.float64) - (score_bin(theirs)[:, None] <= edges)
    known = champion.contract.features
    binned = {name: _bin(name, known[name], columns) for name in features if name in known}
    kept = _depended_on({name: each for name, each in binned.items() if each is not None}, apart)
    if not kept:
        return None
    rows = np.flatnonzero(np.all([each.places >= 0 for each in kept.values()], axis=0))
    return _fitted(champion.digest, kept, rows, apart[rows])


def _fitted(champion: str, kept: dict[str, _Binned], rows: NDArray[np.intp], apart: Array) -> Population:
    blocks = [each.indicators(rows) for each in kept.values()]
    design = np.concatenate(blocks, axis=1)
    shares = design.mean(axis=0)
    centred, differences = design - shares, apart - apart.mean(axis=0)
    inverse = np.linalg.inv(centred.T @ centred + _RIDGE * np.eye(len(shares)))
    effects = inverse @ (centred.T @ differences)
    explained = centred @ effects
    freedom = float(np.trace(inverse @ (centred.T @ centred)))
    left = ((differences - explained) ** 2).sum(axis=0) / max(len(rows) - 1 - freedom, 1.0)
    ends = np.cumsum([block.shape[1] for block in blocks]).tolist()
    parts = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    return Population(
        champion=champion,
        rows=len(rows),
        features={
            name: CountedFeature(
                bins=each.bins,
                shares=tuple(shares[part].tolist()),
                effects=tuple(map(_rounded, effects[part])),
            )
            for (name, each), part in zip(kept.items(), parts, strict=True)
        },
        shift=tuple(apart.mean(axis=0).tolist()),
        unexplained=_rounded(np.sqrt(left / len(rows))),
        spread=_rounded(explained.std(axis=0)),
    )


def _rounded(row: Array) -> tuple[float, ...]:
    return tuple((np.round(row, _DECIMALS) + 0.0).tolist())


def _depended_on(binned: dict[str, _Binned], apart: Array) -> dict[str, _Binned]:
    """The features that the difference depends on, the strongest first, as many as the rows allow."""
    chances = {name: _chance(each, apart) for name, each in binned.items()}
    kept: dict[str, _Binned] = {}
    left = min(MOST_BINS, len(apart) // _ROWS_A_BIN)
    for name in sorted(chances, key=lambda each: (chances[each], each)):
        size = binned[name].bins.number
        if chances[name] <= _LEVEL and size <= left:
            kept[name], left = binned[name], left - size
    return kept


def _chance(each: _Binned, apart: Array) -> float:
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
    return float(chi2.sf(most, each.bins.number - 1))


def _bin(name: str, feature: Feature, columns: Mapping[str, NDArray[Any]]) -> _Binned | None:
    if isinstance(feature, CategoryFeature):
        return _bin_category(feature, columns[name])
    return _bin_number(feature, numbers(feature, name, columns))


def _bin_category(feature: CategoryFeature, cells: NDArray[Any]) -> _Binned | None:
    texts = np.array([None if is_missing(cell) else cell_text(cell) for cell in cells.tolist()], dtype=object)
    values = [text for text in map(category_text, feature.values) if (texts == text).sum() >= FEWEST_ROWS]
    gaps = np.array([text is None for text in texts])
    missing = bool(gaps.sum() >= FEWEST_ROWS)
    index = {text: place for place, text in enumerate(values)}
    places = np.array([index.get(text, -1) for text in texts], dtype=np.intp)
    places[gaps] = len(values) if missing else -1
    return _Binned(CategoryBins(kind="category", values=tuple(values), missing=missing), places) if values else None


def _bin_number(feature: NumberFeature | DateFeature, cells: Array) -> _Binned | None:
    gaps = np.isnan(cells)
    known = np.sort(cells[~gaps])
    if len(known) < FEWEST_ROWS:
        return None
    edges = _cuts(known, int(np.clip(len(cells) // _HOLDOUT_ROWS_A_BIN, 2, _BINS)))
    # So many rows are beyond the outer ones, that these tell of no single person.
    lowest, highest = known[FEWEST_ROWS - 1], known[-FEWEST_ROWS]
    first, last = (edges[0], edges[-1]) if edges else (lowest, highest)
    missing = bool(gaps.sum() >= FEWEST_ROWS)
    bins = NumberBins(
        kind=feature.type,
        factor=feature.factor if isinstance(feature, NumberFeature) else 1.0,
        # The next rows of the same population may lie somewhat further out; a wrong unit lies much further.
        low=float(lowest - max(first - lowest, 0.0)),
        high=float(highest + max(highest - last, 0.0)),
        edges=edges,
        missing=missing,
    )
    places = np.searchsorted(np.array(edges), np.where(gaps, 0.0, cells), side="left").astype(np.intp)
    places[(cells < bins.low) | (cells > bins.high)] = -1
    places[gaps] = len(edges) + 1 if missing else -1
    return _Binned(bins, places)


def _cuts(known: Array, bins: int) -> tuple[float, ...]:
    """Edges between distinct values, so that the bins have about equal numbers of the sorted values, and never few."""
    values, counts = np.unique(known, return_counts=True)
    wanted = max(len(known) / bins, FEWEST_ROWS)
    edges, since, left = [], 0, len(known)
    for place in range(len(values) - 1):
        since, left = since + int(counts[place]), left - int(counts[place])
        if since >= wanted and left >= wanted / 2 and left >= FEWEST_ROWS:
            edges.append(float((values[place] + values[place + 1]) / 2))
            since = 0
    return tuple(edges)
