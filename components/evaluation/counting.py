"""Finds how a model's answers and losses are counted, in the tasks whose contract says so.

A probability is counted in the same bins everywhere, and its loss needs no scale. A number's bins and scale follow the
target; a later version takes its champion's, so that both are counted alike.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from components.evaluation.result import Counting
from components.package.answers import (
    ORDERED_EDGES,
    AbsoluteError,
    ClassBins,
    ClassBrier,
    Coverage,
    NumberTarget,
    Outputs,
    PredictionInterval,
    ValueBins,
)
from components.package.bins import Bins, ProbabilityBins, QuantileBins, TopBins
from components.package.model_package import Contract
from components.spec.compatibility import AnsweredAs
from components.spec.contract import SCORE_EDGES, Data
from components.table.target import Labels

#: The share of rows whose truth an interval should hold.
LEVEL: Final = 0.9
#: Rows of the calibrating half of a hold-out for each group of an interval, and the most groups.
_ROWS_A_GROUP, _MOST_GROUPS = 50, 5
#: The scale of a number's loss: from this part of the hold-out's targets to that one.
_SCALE: Final = (0.05, 0.95)

Array = NDArray[np.float64]


def counting_of(data: Data, labels: Labels, answers: Outputs, halves: NDArray[np.bool_]) -> Counting | None:
    """How a first version's answers are counted; None for task binary, which is counted alike everywhere.

    `halves` marks the rows of the hold-out that measure an interval's coverage; the others calibrate it.
    """
    if data.task == "binary":
        return None
    if data.task == "multiclass":
        return Counting(bins=ClassBins(edges=SCORE_EDGES[:-1]), loss=ClassBrier())
    numbers = labels.astype(np.float64)
    low, high = np.quantile(numbers, _SCALE)
    scale = float(high - low) or float(numbers.max() - numbers.min())
    return Counting(
        spread=float(numbers.std()),
        bins=ValueBins(edges=value_edges(numbers)),
        loss=AbsoluteError(scale=scale),
        interval=interval_of(numbers, answers, halves),
    )


def inherited(ours: Counting | None, champion: Contract | None) -> Counting | None:
    """The counting of a version whose champion's answers are of the same kind: in its bins, with its loss."""
    if ours is None or champion is None or champion.bins is None or champion.loss is None:
        return ours
    return ours.model_copy(update={"bins": champion.bins, "loss": champion.loss})


def answers_alike(data: Data, champion: Contract) -> bool:
    """Whether a champion's answers can be compared with those of a new version, row by row and class by class."""
    return champion.answered == AnsweredAs.by(data)


def bins_of(data: Data, counting: Counting | None) -> Bins:
    """The bins, ready to count with."""
    if counting is None:
        return ProbabilityBins()
    if isinstance(counting.bins, ClassBins):
        return TopBins(counting.bins.edges, len(data.classes))
    tolerance = NumberTarget(name=data.target, spread=counting.spread or 1.0)
    return QuantileBins(counting.bins.edges, tolerance.tolerance)


def value_edges(numbers: Array) -> tuple[float, ...]:
    """Edges of bins with about equal numbers of the target's values; where it has few, the widest bins are halved."""
    values = np.unique(numbers)
    wanted = np.quantile(numbers, np.linspace(0, 1, ORDERED_EDGES + 2)[1:-1])
    # Halfway to the next value, so that no answer lies on an edge by the target's own rounding.
    above = np.clip(np.searchsorted(values, wanted, side="right"), 1, len(values) - 1)
    edges = sorted(set(((values[above - 1] + values[above]) / 2).tolist()))
    while len(edges) < ORDERED_EDGES:
        ends = [float(values[0]), *edges, float(values[-1])]
        widest = int(np.argmax(np.diff(ends)))
        edges = sorted({*edges, (ends[widest] + ends[widest + 1]) / 2})
    return tuple(edges)


def interval_of(numbers: Array, answers: Outputs, halves: NDArray[np.bool_]) -> PredictionInterval:
    """The interval by the rows outside `halves`, and its coverage on those in it."""
    errors, known = np.abs(answers - numbers)[~halves], answers[~halves].astype(np.float64)
    groups = int(np.clip(len(known) // _ROWS_A_GROUP, 1, _MOST_GROUPS))
    edges = np.unique(np.quantile(known, np.linspace(0, 1, groups + 1)[1:-1])) if groups > 1 else np.zeros(0)
    places = np.searchsorted(edges, known, side="left")
    widths = [_half_width(errors[places == group]) for group in range(len(edges) + 1)]
    seen = answers[halves].astype(np.float64)
    inside = np.abs(seen - numbers[halves]) <= np.array(widths)[np.searchsorted(edges, seen, side="left")]
    return PredictionInterval(
        level=LEVEL, edges=tuple(edges.tolist()), half_widths=tuple(widths), coverage=_coverage(inside)
    )


def _half_width(errors: Array) -> float:
    """The error that a share `LEVEL` of new rows of this kind does not exceed (conformal: n + 1 in place of n)."""
    rank = min(int(np.ceil((len(errors) + 1) * LEVEL)), len(errors))
    return float(np.sort(errors)[rank - 1]) if len(errors) else 0.0


def _coverage(inside: NDArray[np.bool_]) -> Coverage:
    """The share with Wilson's interval (JASA 22, 1927)."""
    # It takes a second to import, and only numbers have a coverage.
    from scipy.stats import binomtest

    found = binomtest(int(inside.sum()), len(inside))
    ends = found.proportion_ci(0.95, method="wilson")
    return Coverage(value=float(found.statistic), low=float(ends.low), high=float(ends.high), rows=len(inside))
