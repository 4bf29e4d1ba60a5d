"""The evidence as counts by traffic weight and side, with checks for contradictions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.spec.contract import SCORE_EDGES
from services.telemetry import SLOWER_TIMES

BINS = len(SCORE_EDGES)
#: So many moments of a rollout, evenly spaced until its deadline, may be taken for the beginning of harm.
MOMENTS = 64
#: Which of them are looked at: the longer ago, the further apart.
MOMENT_AGES = tuple(2**power - 1 for power in range(MOMENTS.bit_length()))
#: With this many requests the canary's share is below half or above twice a weight of 1 % or more by chance less than
#: once in a million.
_ENOUGH_TO_DOUBT = 10_000
#: Columns of `Counts.vector`: requests, errors, slow, then scores by bin, then labels by bin and (negative, positive),
#: then requests slower than each of `SLOWER_TIMES` the objective.
LABELS_AT = slice(3 + BINS, 3 + 3 * BINS)
SLOWER_AT = slice(3 + 3 * BINS, 3 + 3 * BINS + len(SLOWER_TIMES))
COLUMNS = SLOWER_AT.stop


@dataclass(frozen=True)
class Counts:
    """The counts of one side. None means that the metric is missing, which is not the same as zero.

    `requests` are those answered with 2xx or 5xx; `errors` and `slow` are parts of them, and so is each number of
    `slower`, in the order of `SLOWER_TIMES`. `scores` has one number
    for each bin of `SCORE_EDGES`, `labels` a pair (negative, positive) for each bin; in both, all rows of a request
    together count one. (By Hölder's inequality the geometric mean of the rows' factors is a fair bet however the rows
    depend on each other; averaging the logarithms is the same as scaling the counts.)
    """

    requests: float | None = 0.0
    errors: float | None = 0.0
    slow: float | None = 0.0
    scores: tuple[float, ...] | None = (0.0,) * BINS
    labels: tuple[tuple[float, float], ...] | None = ((0.0, 0.0),) * BINS
    slower: tuple[float, ...] | None = (0.0,) * len(SLOWER_TIMES)

    def __add__(self, other: Counts) -> Counts:
        return Counts.from_vector(self.vector() + other.vector())

    def vector(self) -> NDArray[np.float64]:
        """All counts in one row of `COLUMNS` numbers; a missing metric is NaN."""
        row = np.full(COLUMNS, np.nan)
        for column, number in enumerate((self.requests, self.errors, self.slow)):
            row[column] = np.nan if number is None else number
        if self.scores is not None:
            row[3 : 3 + BINS] = self.scores
        if self.labels is not None:
            row[LABELS_AT] = np.ravel(self.labels)
        if self.slower is not None:
            row[SLOWER_AT] = self.slower
        return row

    @staticmethod
    def from_vector(row: NDArray[np.float64]) -> Counts:
        """The counts in a row of `COLUMNS` numbers."""
        scores, labels = row[3 : 3 + BINS], row[LABELS_AT].reshape(BINS, 2)
        requests, errors, slow = (None if math.isnan(number) else float(number) for number in row[:3])
        return Counts(
            requests,
            errors,
            slow,
            scores=None if np.isnan(scores).any() else tuple(scores.tolist()),
            labels=None if np.isnan(labels).any() else tuple((pair[0], pair[1]) for pair in labels.tolist()),
            slower=None if np.isnan(row[SLOWER_AT]).any() else tuple(row[SLOWER_AT].tolist()),
        )

    def contradictions(self, side: str) -> list[str]:
        """One sentence for each contradiction within the counts."""
        row = self.vector()
        if (row[~np.isnan(row)] < 0).any() or np.isinf(row).any():
            return [f"the {side}'s counts hold a negative or infinite number; a counter can only rise"]
        slower = zip(SLOWER_TIMES, self.slower or (), strict=False)
        parts = (
            ("errors", self.errors),
            ("slow requests", self.slow),
            *((f"requests slower than {times} x the objective", part) for times, part in slower),
        )
        return [
            f"the {side} counts {part:,.0f} {name} in {self.requests:,.0f} requests; a part cannot exceed the whole"
            for name, part in parts
            if part is not None and self.requests is not None and part > self.requests
        ]


@dataclass(frozen=True)
class Stratum:
    """The time during which one weight was set; only counts of one stratum are compared.

    `weight` is the canary's share of traffic in percent. `later` holds champion and canary counted since
    moments within that time, so that harm that began late can be told.
    """

    weight: float
    champion: Counts
    canary: Counts
    later: tuple[tuple[Counts, Counts], ...] = ()

    def doubt(self) -> str:
        """A sentence if the canary's share of requests is further from the weight than chance allows; else empty."""
        if not 0 < self.weight < 100 or self.canary.requests is None or self.champion.requests is None:
            return ""
        total = self.canary.requests + self.champion.requests
        share, meant = self.canary.requests / max(total, 1.0), self.weight / 100
        if total < _ENOUGH_TO_DOUBT or meant / 2 <= share <= 2 * meant:
            return ""
        return (
            f"at a weight of {self.weight:g} % the canary answered {share:.1%} of {total:,.0f} requests;"
            " the gateway does not do what it says, or the canary does not answer"
        )


@dataclass(frozen=True)
class HoldoutShift:
    """The difference between the canary's and the champion's scores on the same rows of the hold-out.

    For each bin, `shift` is the share of scores at or below its edge, canary minus champion, and
    `shift_error` is the standard error of that difference.
    """

    shift: tuple[float, ...]
    shift_error: tuple[float, ...]


@dataclass(frozen=True)
class Evidence:
    """All evidence about one rollout.

    `weight` is the canary's current percent of traffic, `elapsed_seconds` the time since it first
    got any. `problems` are sentences about data that is missing or cannot be true; while there is
    a problem, nothing passes.
    """

    strata: tuple[Stratum, ...] = ()
    weight: float = 0.0
    elapsed_seconds: float = 0.0
    holdout: HoldoutShift | None = None
    problems: tuple[str, ...] = ()

    def __add__(self, other: Evidence) -> Evidence:
        """The evidence of two groups of replicas, or of two spans of time, in one rollout."""
        return replace(
            self,
            strata=merge_strata((*self.strata, *other.strata)),
            elapsed_seconds=max(self.elapsed_seconds, other.elapsed_seconds),
            problems=tuple(dict.fromkeys((*self.problems, *other.problems))),
        )

    def contradictions(self) -> list[str]:
        """One sentence for each contradiction within the counts of any stratum."""
        sides = ((side, getattr(stratum, side)) for stratum in self.strata for side in ("champion", "canary"))
        return list(dict.fromkeys(sentence for side, counts in sides for sentence in counts.contradictions(side)))

    def doubts(self) -> list[str]:
        """One sentence for each weight that the canary did not really get; harm can still be shown, safety cannot."""
        return [doubt for stratum in self.strata if (doubt := stratum.doubt())]


def merge_strata(strata: Iterable[Stratum]) -> tuple[Stratum, ...]:
    """One stratum for each weight, in rising order of weights."""
    merged: dict[float, Stratum] = {}
    for stratum in strata:
        known = merged.get(stratum.weight, Stratum(stratum.weight, Counts(), Counts()))
        both = known.champion + stratum.champion, known.canary + stratum.canary
        merged[stratum.weight] = Stratum(stratum.weight, *both)
    return tuple(merged[weight] for weight in sorted(merged))
