"""Reads the champion's counts of its shadow candidate from metrics pages or a Prometheus server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

from components.spec.contract import SCORE_EDGES
from services import telemetry
from services.judge.errors import SourceError
from services.judge.evidence.counts import HoldoutShift
from services.judge.evidence.exposition import MetricSample, parse_page, read_replica
from services.judge.evidence.matrix import read_matrix
from services.judge.statistics.paired import NO_PAIRS, PairCounts

#: The champion's counters about a candidate.
COUNTERS: Final = (
    telemetry.SHADOW_COMPARED, telemetry.SHADOW_DIFFERENT, telemetry.SHADOW_SLICE_COMPARED,
    telemetry.SHADOW_SLICE_DIFFERENT, telemetry.SHADOW_FAILED, telemetry.SHADOW_DROPPED,
    telemetry.SHADOW_CROSSED, telemetry.SHADOW_LABELLED,
)  # fmt: skip
#: What each version says of itself.
_ABOUT: Final = (telemetry.MODEL_INFO, telemetry.HOLDOUT_SHIFT, telemetry.HOLDOUT_SHIFT_ERROR)
METRICS: Final = (*COUNTERS, *_ABOUT)
#: The labels that distinguish the parts of a metric.
_PARTS: Final = ("feature", "value", "reason", "bin", "below", "difference")


@dataclass(frozen=True)
class Compared:
    """Requests that both versions answered, and how many differently (a batch counts by its share of such rows)."""

    total: float = 0.0
    different: float = 0.0


@dataclass(frozen=True)
class ReplicaCounts:
    """The counts of all replicas of the champion for one candidate.

    `slices` is keyed by (feature, value); `failed` by reason: unreachable, timeout, status, answer. `holdout` is what
    the hold-out showed between the two versions; where it cannot be used, `doubt` says why.
    """

    champion: str
    candidate: str
    whole: Compared
    slices: dict[tuple[str, str], Compared]
    failed: dict[str, float]
    dropped: float
    pairs: PairCounts = NO_PAIRS
    holdout: HoldoutShift | None = None
    doubt: str = ""


NOTHING_SEEN: Final = ReplicaCounts("", "", Compared(), {}, {}, 0.0)


@dataclass(frozen=True)
class Counted:
    """One counter of one replica: its total over restarts, and when it was last read (Unix seconds)."""

    sample: MetricSample
    at: float


def read_pages(texts: Iterable[str], at: float = 0.0) -> list[Counted]:
    """The counters on pages in Prometheus's text format.

    Raises:
        ValueError: a page is not in that format.
    """
    return [Counted(sample, at) for text in texts for sample in parse_page(text) if sample.name in METRICS]


def read_prometheus(url: str, service: str, now: float, range_seconds: float, timeout_seconds: float) -> list[Counted]:
    """The counters of every replica that was scraped in the last `range_seconds`, summed over restarts.

    Raises:
        SourceError: the server cannot be reached, or does not answer as Prometheus does.
    """
    selector = f'{{__name__=~"{"|".join(METRICS)}",service="{service}"}}'
    try:
        return [_counted(line) for line in read_matrix(url.rstrip("/"), selector, now, range_seconds, timeout_seconds)]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise SourceError(f"{url} answered something else than Prometheus does: {error}") from error


def _counted(line: dict[str, Any]) -> Counted:
    labels, values = line["metric"], [float(value) for _, value in line["values"]]
    sample = MetricSample(labels["__name__"], labels, total_of(values))
    return Counted(sample, float(line["values"][-1][0]))


def total_of(values: Sequence[float]) -> float:
    """The total of a counter; a counter that fell was restarted and has counted from zero since."""
    before = sum(earlier for earlier, later in pairwise(values) if later < earlier)
    return before + values[-1]


def read_seen(counted: Iterable[Counted], service: str) -> ReplicaCounts | None:
    """The counts of the latest pair of champion and candidate; None if no replica asks a candidate.

    The latest is the pair that was read last; of several, the pair with the most answers. A version that asks itself
    is no pair: under shadow-then-canary a canary's address is its own while it answers callers.
    """
    mine = [counter for counter in counted if counter.sample.labels.get("service") == service]
    pairs: dict[tuple[str, str], list[Counted]] = defaultdict(list)
    for counter in mine:
        labels = counter.sample.labels
        if "candidate" in labels and labels["candidate"] != labels.get("version", ""):
            pairs[labels.get("version", ""), labels["candidate"]].append(counter)
    counts = [(max(counter.at for counter in group), _seen(*pair, group)) for pair, group in pairs.items()]
    if not counts:
        return None
    latest = max(counts, key=lambda each: (each[0], each[1].whole.total))[1]
    holdout, doubt = _holdout(mine, service, latest)
    return replace(latest, holdout=holdout, doubt=doubt)


def _holdout(counted: Iterable[Counted], service: str, seen: ReplicaCounts) -> tuple[HoldoutShift | None, str]:
    """What the hold-out showed between the two versions, as the candidate's own page says, and what forbids its use."""
    about = [counter.sample for counter in counted if counter.sample.name in _ABOUT]
    champion, candidate = (
        read_replica([sample for sample in about if sample.labels.get("version") == version], service, 0.0)
        for version in (seen.champion, seen.candidate)
    )
    if champion is None or candidate is None:
        return None, ""
    if candidate.package and candidate.package == champion.package:
        return HoldoutShift((0.0,) * len(SCORE_EDGES), (0.0,) * len(SCORE_EDGES)), ""
    if candidate.champion and candidate.champion != champion.package:
        return None, (
            f"the candidate was compared on the hold-out with {candidate.champion}, but the champion that is live is"
            f" {champion.package or 'unknown'}; train it again against the live champion"
        )
    return candidate.holdout, ""


def _seen(champion: str, candidate: str, counted: Iterable[Counted]) -> ReplicaCounts:
    sums: dict[str, dict[tuple[str, ...], float]] = {name: defaultdict(float) for name in METRICS}
    for counter in counted:
        labels = counter.sample.labels
        sums[counter.sample.name][tuple(labels[part] for part in _PARTS if part in labels)] += counter.sample.value
    compared, differing = sums[telemetry.SHADOW_SLICE_COMPARED], sums[telemetry.SHADOW_SLICE_DIFFERENT]
    whole = Compared(sums[telemetry.SHADOW_COMPARED][()], sums[telemetry.SHADOW_DIFFERENT][()])
    return ReplicaCounts(
        champion, candidate, whole,
        {(place[0], place[1]): Compared(total, differing[place]) for place, total in compared.items()},
        {place[0]: number for place, number in sums[telemetry.SHADOW_FAILED].items()},
        sums[telemetry.SHADOW_DROPPED][()],
        _pairs(whole.total, sums[telemetry.SHADOW_CROSSED], sums[telemetry.SHADOW_LABELLED]),
    )  # fmt: skip


def _pairs(
    compared: float, crossed: dict[tuple[str, ...], float], labelled: dict[tuple[str, ...], float]
) -> PairCounts:
    """The paired counts; without a counter of crossed edges nothing counts as compared (an older champion has none)."""
    edges = range(len(SCORE_EDGES) - 1)
    first, second = telemetry.BELOW
    return PairCounts(
        compared if crossed else 0.0,
        tuple((crossed.get((str(edge), first), 0.0), crossed.get((str(edge), second), 0.0)) for edge in edges),
        tuple(labelled.get((str(cell),), 0.0) for cell in range(len(telemetry.SHADOW_DIFFERENCES))),
    )
