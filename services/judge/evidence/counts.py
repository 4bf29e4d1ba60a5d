"""The evidence as counts by traffic weight and side, with checks for contradictions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.spec.contract import SCORE_EDGES
from services.telemetry import LABEL_LOSSES, SLOWER_TIMES

#: A page is not a snapshot: this many requests may end while it is read.
IN_FLIGHT = 5.0
BINS = len(SCORE_EDGES)
LOSSES = len(LABEL_LOSSES)
#: So many moments of a rollout, evenly spaced until its deadline, may be taken for the beginning of harm.
MOMENTS = 64
#: Which of them are looked at: the longer ago, the further apart.
MOMENT_AGES = tuple(2**power - 1 for power in range(MOMENTS.bit_length()))
#: With this many requests the canary's share is below half or above twice a weight of 1 % or more by chance less than
#: once in a million.
_ENOUGH_TO_DOUBT = 10_000
#: Columns of `Counts.vector`: requests, errors, slow, then scores by bin, then labelled answers by loss, then `timed`,
#: then requests slower than each of `SLOWER_TIMES` the objective; where answers have classes, those of each class.
REQUESTS_AT, ERRORS_AT, SLOW_AT = 0, 1, 2
SCORES_AT = slice(3, 3 + BINS)
LOSSES_AT = slice(3 + BINS, 3 + BINS + LOSSES)
TIMED_AT = 3 + BINS + LOSSES
SLOWER_AT = slice(TIMED_AT + 1, TIMED_AT + 1 + len(SLOWER_TIMES))
COLUMNS = SLOWER_AT.stop
CLASSES_AT = slice(COLUMNS, None)


#: Whether the gateway tells which requests it answered itself: "in part" if not those that it could pass on to nobody,
#: "lost" if one of its replicas did once and does no more, empty where nobody asked it.
GatewayTold = Literal["", "told", "in part", "silent", "lost"]
_SINGLE = (REQUESTS_AT, ERRORS_AT, SLOW_AT, TIMED_AT)


@dataclass(frozen=True)
class Counts:
    """The counts of one side. None means that the metric is missing, which is not the same as zero.

    `requests` are those answered with 2xx or 5xx; `errors` are a part of them. `timed` are the requests whose
    latency is judged (by default all); `slow` is a part of those, and so is each number of `slower`, in the order of
    `SLOWER_TIMES`. `scores` has one number for each bin of
    `SCORE_EDGES`, `losses` one for each of `LABEL_LOSSES`: the labelled answers by their loss; in both, all rows of
    a request together count one. (By Hölder's inequality the geometric mean of the rows' factors is a fair bet
    however the rows depend on each other; averaging the logarithms is the same as scaling the counts. An answer
    whose loss lies between two of `LABEL_LOSSES` is counted in part for each, in the same way.)
    `classes` has one number for each class, and none where answers have no classes.
    """

    requests: float | None = 0.0
    errors: float | None = 0.0
    slow: float | None = 0.0
    scores: tuple[float, ...] | None = (0.0,) * BINS
    losses: tuple[float, ...] | None = (0.0,) * LOSSES
    timed: float | None = None
    slower: tuple[float, ...] | None = (0.0,) * len(SLOWER_TIMES)
    classes: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.timed is None:
            object.__setattr__(self, "timed", self.requests)

    def __add__(self, other: Counts) -> Counts:
        return Counts.from_vector(stacked([self.vector(), other.vector()]).sum(axis=0))

    def vector(self) -> NDArray[np.float64]:
        """All counts in one row of `COLUMNS` numbers and those of the classes; a missing metric is NaN."""
        row = np.full(COLUMNS + len(self.classes), np.nan)
        row[CLASSES_AT] = self.classes
        for column, number in zip(_SINGLE, (self.requests, self.errors, self.slow, self.timed), strict=True):
            row[column] = np.nan if number is None else number
        for part, numbers in ((SCORES_AT, self.scores), (LOSSES_AT, self.losses), (SLOWER_AT, self.slower)):
            if numbers is not None:
                row[part] = numbers
        return row

    @staticmethod
    def from_vector(row: NDArray[np.float64]) -> Counts:
        """The counts in a row of `COLUMNS` numbers and those of the classes."""
        requests, errors, slow, timed = (None if math.isnan(row[at]) else float(row[at]) for at in _SINGLE)
        scores, losses, slower = (
            None if np.isnan(row[at]).any() else tuple(row[at].tolist()) for at in (SCORES_AT, LOSSES_AT, SLOWER_AT)
        )
        return Counts(requests, errors, slow, scores, losses, timed, slower, tuple(row[CLASSES_AT].tolist()))

    def contradictions(self, side: str) -> list[str]:
        """One sentence for each contradiction within the counts."""
        row = self.vector()
        if (row[~np.isnan(row)] < 0).any() or np.isinf(row).any():
            return [f"the {side}'s counts hold a negative or infinite number; a counter can only rise"]
        slower = zip(SLOWER_TIMES, self.slower or (), strict=False)
        parts = (
            ("errors", self.errors, self.requests),
            ("slow requests", self.slow, self.timed),
            *((f"requests slower than {times} x the objective", part, self.timed) for times, part in slower),
        )
        return [
            f"the {side} counts {part:,.0f} {name} in {whole:,.0f} requests; a part cannot exceed the whole"
            for name, part, whole in parts
            if part is not None and whole is not None and part > whole
        ]


def stacked(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Rows of counts as one table (rows, columns); one that knows fewer classes has counted none of the others."""
    width = max(row.shape[-1] for row in rows)
    return np.stack([widened(row, width) for row in rows])


def widened(rows: NDArray[np.float64], columns: int) -> NDArray[np.float64]:
    """Rows of counts (..., columns) with zeros for the classes that they do not know."""
    missing = columns - rows.shape[-1]
    return rows if missing <= 0 else np.concatenate([rows, np.zeros((*rows.shape[:-1], missing))], axis=-1)


@dataclass(frozen=True)
class Stratum:
    """The time during which one weight was set; only counts of one stratum are compared.

    `weight` is the canary's share of traffic in percent. `later` holds champion and canary counted since
    moments within that time, so that harm that began late can be told. Where the canary's share of what is counted is
    not the weight, `share` is that of all requests, and `labelled` that of the answers that labels may come back for.
    `for_harm` and `for_safety` hold champion and canary as these are judged where the two were read at different times:
    what only one side's samples tell speaks for neither.
    `arrived` are the requests that reached champion and canary at moments at which all replicas of both are known;
    None where a server does not tell. `gave_up` are the errors of champion and canary that the gateway had to answer.
    """

    weight: float
    champion: Counts
    canary: Counts
    later: tuple[tuple[Counts, Counts], ...] = ()
    labelled: float | None = None
    share: float | None = None
    arrived: tuple[float, float] | None = None
    gave_up: tuple[float, float] = (0.0, 0.0)
    for_harm: tuple[Counts, Counts] | None = None
    for_safety: tuple[Counts, Counts] | None = None

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
class AnswerKind:
    """What is told of answers that are no probability: their bins' upper edges, their loss's name, and their classes.

    Bins of classes come after those in order.
    """

    edges: tuple[float, ...] = SCORE_EDGES
    loss: str = "Brier loss"
    classes: tuple[str, ...] = ()

    @property
    def bins(self) -> int:
        """The number of all bins."""
        return BINS + len(self.classes)


#: Probabilities of one of two words.
WORDS = AnswerKind()


@dataclass(frozen=True)
class HoldoutShift:
    """The difference between the canary's and the champion's scores on the same rows of the hold-out.

    For each bin, `shift` is the share of scores at or below its edge, or in its class, canary minus champion, and
    `shift_error` is the standard error of that difference. `answers` says what both versions answer.
    """

    shift: tuple[float, ...]
    shift_error: tuple[float, ...]
    answers: AnswerKind = WORDS


@dataclass(frozen=True)
class LiveExpectation:
    """What the hold-out lets expect of the difference of scores on the inputs that the canary got, a sample of them.

    `inputs` are those within the hold-out's bins, `unlike` those with a value unlike any of its. `shift` is as in
    `HoldoutShift`; `unexplained` is its standard error for want of rows in the hold-out, `sampled` that for want of
    inputs. `distance` is how far the inputs are from the hold-out in each feature; the sum plus 1 is how many times
    fewer rows the hold-out is worth. Without any input like the hold-out's there is no `shift`. `differing` are the
    features in which the inputs that the canary read differ from those that the champion read meanwhile, the worst
    first; None where that is not known.
    """

    inputs: float
    unlike: float
    shift: tuple[float, ...]
    unexplained: tuple[float, ...]
    sampled: tuple[float, ...]
    distance: tuple[tuple[str, float], ...]
    differing: tuple[str, ...] | None = ()


@dataclass(frozen=True)
class Outlier:
    """A replica unlike the others of its side in one signal, and the evidence of a rollout without it."""

    name: str
    side: str
    signal: str
    strata: tuple[Stratum, ...]


@dataclass(frozen=True)
class Evidence:
    """All evidence about one rollout.

    `weight` is the canary's current percent of traffic, `elapsed_seconds` the time since it first
    got any. `problems` are sentences about data that is missing or cannot be true; while there is
    a problem, nothing passes. `outliers` are replicas unlike the others of their side, `replicas` the number of
    the champion's and the canary's (0 where it is not known). `remarks` are sentences about what is judged in
    another way than usual, or not yet. `gateway` says whether the gateway tells what it answered itself. `expectation`
    is what the hold-out lets expect of the canary's inputs, where its package tells how the difference of scores
    depends on them. `answers` says what both versions answer.
    """

    strata: tuple[Stratum, ...] = ()
    weight: float = 0.0
    elapsed_seconds: float = 0.0
    holdout: HoldoutShift | None = None
    problems: tuple[str, ...] = ()
    outliers: tuple[Outlier, ...] = ()
    replicas: tuple[int, int] = (0, 0)
    remarks: tuple[str, ...] = ()
    gateway: GatewayTold = ""
    expectation: LiveExpectation | None = None
    answers: AnswerKind = WORDS

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
        arrived = None
        if stratum.arrived is not None:
            before = known.arrived or (0.0, 0.0)
            arrived = before[0] + stratum.arrived[0], before[1] + stratum.arrived[1]
        gave_up = known.gave_up[0] + stratum.gave_up[0], known.gave_up[1] + stratum.gave_up[1]
        merged[stratum.weight] = Stratum(stratum.weight, *both, arrived=arrived, gave_up=gave_up)
    return tuple(merged[weight] for weight in sorted(merged))
