"""Fits `population.json`: the effect of each bin of the hold-out's features on the difference of two versions' scores.

A ridge regression on all bins together, so that two features that go together do not count twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from components.package.population import (
    FEWEST_ROWS,
    Array,
    CategoryBins,
    CountedFeature,
    NumberBins,
    Population,
)

#: The most bins of a number, each with about the same number of rows, and the rows of a hold-out for each of them.
_BINS, _ROWS_A_BIN = 16, 60
#: The effect of a bin is drawn towards nothing as if so many of its rows showed none.
_RIDGE: Final = 1.0
#: Effects are written with so many decimals, so that another machine's last digits do not change a package.
_DECIMALS: Final = 5


@dataclass(frozen=True)
class BinnedFeature:
    """A feature with the bin of each row, -1 for a value that too few rows share."""

    bins: NumberBins | CategoryBins
    places: NDArray[np.intp]

    def indicators(self, rows: NDArray[np.intp]) -> Array:
        """1 in the column of each row's bin, else 0; (rows, bins)."""
        return np.eye(self.bins.number)[self.places[rows]]


def fitted(champion: str, features: Mapping[str, BinnedFeature], apart: Array) -> Population | None:
    """The population of some features; None if none is left that has enough rows in each bin.

    `apart` says for each row and score edge by how much the champion's score crosses the edge that the new version's
    does not (1, 0 or -1); (rows, edges). Rows without a bin in every feature are left out.
    """
    kept, rows = _with_rows_in_each_bin(dict(features))
    if not kept:
        return None
    apart, blocks = apart[rows], [each.indicators(rows) for each in kept.values()]
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


def _with_rows_in_each_bin(kept: dict[str, BinnedFeature]) -> tuple[dict[str, BinnedFeature], NDArray[np.intp]]:
    """The features, and the rows with a bin in each of them; without a feature that has a bin with too few of them."""
    while kept:
        rows = np.flatnonzero(np.all([each.places >= 0 for each in kept.values()], axis=0))
        few = next((name for name, each in kept.items() if _fewest(each, rows) < FEWEST_ROWS), None)
        if few is None:
            return kept, rows
        del kept[few]
    return kept, np.zeros(0, dtype=np.intp)


def _fewest(each: BinnedFeature, rows: NDArray[np.intp]) -> float:
    return float(each.indicators(rows).sum(axis=0).min(initial=np.inf))


def _rounded(row: Array) -> tuple[float, ...]:
    return tuple((np.round(row, _DECIMALS) + 0.0).tolist())


def bin_number(kind: Literal["number", "date"], factor: float, cells: Array) -> BinnedFeature | None:
    """A number's bins, from its cells in the table's unit (NaN is missing); None where it has next to none."""
    gaps = np.isnan(cells)
    known = np.sort(cells[~gaps])
    if len(known) < FEWEST_ROWS:
        return None
    edges = _cuts(known, int(np.clip(len(cells) // _ROWS_A_BIN, 2, _BINS)))
    # So many rows are beyond the outer ones, that these tell of no single person.
    lowest, highest = known[FEWEST_ROWS - 1], known[-FEWEST_ROWS]
    first, last = (edges[0], edges[-1]) if edges else (lowest, highest)
    missing = bool(gaps.sum() >= FEWEST_ROWS)
    bins = NumberBins(
        kind=kind,
        factor=factor,
        # The next rows of the same population may lie somewhat further out; a wrong unit lies much further.
        low=float(lowest - max(first - lowest, 0.0)),
        high=float(highest + max(highest - last, 0.0)),
        edges=edges,
        missing=missing,
    )
    places = np.searchsorted(np.array(edges), np.where(gaps, 0.0, cells), side="left").astype(np.intp)
    places[(cells < bins.low) | (cells > bins.high)] = -1
    places[gaps] = len(edges) + 1 if missing else -1
    return BinnedFeature(bins, places)


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
