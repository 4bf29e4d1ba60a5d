"""`population.json`: how the callers that a version was tested for are spread, and what they let expect of its scores.

A version is compared with its champion on the hold-out. Where live callers differ from the hold-out, the two versions'
scores differ by another amount there. This file says by how much for each bin of each feature, so that a server can
tell what the hold-out lets expect of the inputs that it gets (`ExpectedShift`): the hold-out's difference, moved by the
bins' effects times how much more often live inputs are in them. That is the generalised regression estimator of survey
statistics, which weights rows like raking does (Deville and Saerndal 1992), and needs no rows: bins alone are kept.

**Inputs are read as the champion reads them**: by its unit, of those features that it knows. A version that misreads a
unit would otherwise take its own mistake for other callers. Values unlike any of the hold-out's are no evidence.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from components.digest import Digest
from components.spec.contract import ClosedModel
from components.spec.values import CategoryValue, by_category, category_text, cell_days

#: The most bins of all features together; so many numbers each worker of a server keeps.
MOST_BINS: Final = 256
#: A bin with fewer rows of the hold-out tells nothing, and might tell of persons.
FEWEST_ROWS: Final = 5

#: One number for each bin of a contract's answers.
PerBin = Annotated[tuple[float, ...], Field(min_length=2)]
Array = NDArray[np.float64]


class NumberBins(ClosedModel):
    """Bins of a number or a date, in the table's unit (days for a date): up to each edge, and one beyond the last.

    `factor` is the champion's: a request's value times factor is the table's. Values outside `low` to `high` are unlike
    the hold-out's. With `missing` there is one more bin, for a value that is left out.
    """

    kind: Literal["number", "date"]
    factor: float = 1.0
    low: float
    high: float
    edges: tuple[float, ...]
    missing: bool

    @property
    def number(self) -> int:
        """The number of bins."""
        return len(self.edges) + 1 + self.missing

    def finder(self, first: int, _: Iterable[CategoryValue]) -> Callable[[Any], int]:
        """A function from a request's value to its bin, counted from `first`; -1 for a value unlike the hold-out's."""
        edges, factor, low, high = self.edges, self.factor, self.low, self.high
        gap = first + len(edges) + 1 if self.missing else -1
        is_date = self.kind == "date"

        def find(value: Any) -> int:
            if value is None:
                return gap
            known = cell_days(value) if is_date else value * factor
            return first + bisect_left(edges, known) if low <= known <= high else -1

        return find


class CategoryBins(ClosedModel):
    """One bin for each value, spelled as `category_text` does; with `missing` one more for a value that is left out."""

    kind: Literal["category"]
    values: Annotated[tuple[str, ...], Field(min_length=1)]
    missing: bool

    @property
    def number(self) -> int:
        """The number of bins."""
        return len(self.values) + self.missing

    def finder(self, first: int, allowed: Iterable[CategoryValue]) -> Callable[[Any], int]:
        """A function from a request's value, one of the `allowed`, to its bin; -1 for one unlike the hold-out's."""
        places = {text: first + place for place, text in enumerate(self.values)}
        gap = first + len(self.values) if self.missing else -1
        return by_category(allowed, lambda value: places.get(category_text(value), -1), gap)


Bins = Annotated[NumberBins | CategoryBins, Field(discriminator="kind")]


class CountedFeature(ClosedModel):
    """A feature whose live values are counted.

    `shares` are the parts of the hold-out in each bin. `effects` say for each bin, and each bin of answers, by how much
    the difference of the two versions is larger there, apart from what the other features explain.
    """

    bins: Bins
    shares: tuple[float, ...]
    effects: tuple[PerBin, ...]

    @model_validator(mode="after")
    def _one_for_each_bin(self) -> Self:
        if not len(self.shares) == len(self.effects) == self.bins.number or min(self.shares) <= 0:
            raise ValueError(f"shares and effects must be those of {self.bins.number} bins, each with a share above 0")
        return self


class Population(ClosedModel):
    """`population.json`: the hold-out by the bins of its features, and the difference to the champion in them.

    `shift` is that of the rows that are in a bin of each feature, as in `holdout.json`. `unexplained` is the standard
    error over rows of what the effects leave open; `spread` the standard deviation of what they explain in one row.
    """

    champion: Digest
    rows: int = Field(ge=1)
    features: Annotated[dict[str, CountedFeature], Field(min_length=1)]
    shift: PerBin
    unexplained: PerBin
    spread: PerBin

    @model_validator(mode="after")
    def _few_bins(self) -> Self:
        bins = sum(feature.bins.number for feature in self.features.values())
        if bins > MOST_BINS:
            raise ValueError(f"features: {bins} bins are too many; at most {MOST_BINS} are counted")
        return self

    @model_validator(mode="after")
    def _as_many_bins_of_answers(self) -> Self:
        effects = (effect for feature in self.features.values() for effect in feature.effects)
        if {len(row) for row in (self.shift, self.unexplained, self.spread, *effects)} != {len(self.shift)}:
            raise ValueError("shift, unexplained, spread and effects must have one number for each bin of the answers")
        return self


@dataclass(frozen=True)
class LiveShift:
    """What the hold-out lets expect of a version's scores minus its champion's, on the inputs that it got.

    `shift` is as in `holdout.json`. `unexplained` is its standard error for want of rows in the hold-out, `sampled`
    that for want of inputs. `distance` says for each feature how far its inputs are from the hold-out (chi-square over
    their number, in excess of chance): the sum plus 1 is how many times fewer rows the hold-out is worth.
    """

    inputs: float
    shift: tuple[float, ...]
    unexplained: tuple[float, ...]
    sampled: tuple[float, ...]
    distance: dict[str, float]


class ExpectedShift:
    """A population as arrays, ready to be asked again and again."""

    def __init__(self, population: Population) -> None:
        features = population.features.values()
        self._population = population
        self._shares = np.concatenate([np.array(feature.shares) for feature in features])
        self._effects = np.concatenate([np.array(feature.effects) for feature in features])
        ends = np.cumsum([feature.bins.number for feature in features]).tolist()
        self._parts = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def of(self, counts: Sequence[float], each: float = 1.0) -> LiveShift | None:
        """What is expected of inputs with these counts by bin, feature after feature; None without any input.

        Where some stand for several, a counted one is worth `each` in (0, 1] independent inputs (Kish 1965).
        """
        told = np.array(counts[: len(self._shares)])
        inputs = float(told[self._parts[0]].sum())
        if inputs <= 0:
            return None
        beyond = told / inputs - self._shares
        shift = np.array(self._population.shift) + beyond @ self._effects
        distance = {
            name: self._distance(beyond, part, inputs * each)
            for name, part in zip(self._population.features, self._parts, strict=True)
        }
        worth = math.sqrt(1 + sum(distance.values()))
        unexplained = np.array(self._population.unexplained) * worth
        sampled = np.array(self._population.spread) * worth / math.sqrt(inputs * each)
        return LiveShift(inputs, tuple(shift.tolist()), tuple(unexplained.tolist()), tuple(sampled.tolist()), distance)

    def _distance(self, beyond: Array, part: slice, inputs: float) -> float:
        """Pearson's chi-square over the inputs, less what chance alone gives in so many independent ones."""
        shares = self._shares[part]
        chance = (len(shares) - 1) * (1 / inputs + 1 / self._population.rows)
        return max(0.0, float((beyond[part] ** 2 / shares).sum()) - chance)
