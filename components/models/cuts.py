"""How many rows of each kind a threshold would name, in answers to rows that the answering model had not seen."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from components.spec.contract import ClosedModel

#: The most thresholds that are kept: half of them spread over all rows, half over the highest scores.
MOST_CUTS: Final = 1000


class Cuts(ClosedModel):
    """Thresholds, falling, with the positive and the other rows whose score is at or above each.

    The first names nobody, where a score leaves room for that. All numbers are of a cross-validation, in which each
    row's score comes from a model that was fitted to other rows.
    """

    positives: int
    negatives: int
    thresholds: tuple[float, ...]
    true_positives: tuple[int, ...]
    false_positives: tuple[int, ...]

    @model_validator(mode="after")
    def _as_many(self) -> Self:
        if not len(self.thresholds) == len(self.true_positives) == len(self.false_positives):
            raise ValueError("thresholds, true_positives and false_positives must be equally many")
        if any(low >= high for high, low in pairwise(self.thresholds)):
            raise ValueError("thresholds must fall")
        return self


def cuts_of(labels: NDArray[Any], scores: NDArray[Any], most: int = MOST_CUTS) -> Cuts:
    """The cuts between the distinct scores of rows, at most about `most`; labels 0 and 1 [n], scores [n]."""
    order = np.argsort(-scores, kind="stable")
    ranked, positive = scores[order].astype(np.float64), labels[order] == 1
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    kept = ends[_thinned(len(ends), most)]
    found = np.cumsum(positive)[kept].tolist()
    above = ranked[kept].tolist()
    below = [ranked[end + 1] if end + 1 < len(ranked) else 0.0 for end in kept.tolist()]
    nobody = [_between(ranked[0], 1.0)]
    cuts = [*nobody, *(_between(low, high) for high, low in zip(above, below, strict=True))]
    named = [0, *(end + 1 for end in kept.tolist())]
    hits = [0, *found]
    usable = [place for place, cut in enumerate(cuts) if 0 < cut < 1]  # a score of 0 or 1 leaves no room beyond it
    return Cuts(
        positives=int(positive.sum()),
        negatives=int((~positive).sum()),
        thresholds=tuple(cuts[place] for place in usable),
        true_positives=tuple(hits[place] for place in usable),
        false_positives=tuple(named[place] - hits[place] for place in usable),
    )


def _thinned(many: int, most: int) -> NDArray[np.intp]:
    """The places of at most `most` of `many` distinct scores, all of them where they are few."""
    if many <= most:
        return np.arange(many)
    spread = np.linspace(0, many - 1, most // 2)
    first = np.geomspace(1, many, most // 2) - 1
    return np.unique(np.concatenate([spread, first]).round().astype(np.intp))


def _between(low: float, high: float) -> float:
    """A number well between two scores, with as few digits as that needs: equal scores may differ in the last one."""
    middle, room = (low + high) / 2, (high - low) / 4
    shorter = (float(f"{middle:.{digits}g}") for digits in range(1, 16))
    return next((short for short in shorter if low + room <= short <= high - room), middle)
