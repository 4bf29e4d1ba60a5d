"""Reads the champion's counts of its shadow candidate from metrics pages or a Prometheus server."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlencode

from services import telemetry
from services.judge.errors import SourceError
from services.judge.evidence.exposition import MetricSample, parse_page
from services.judge.evidence.sources import fetch

_METRICS: Final = (
    telemetry.SHADOW_COMPARED, telemetry.SHADOW_DIFFERENT, telemetry.SHADOW_SLICE_COMPARED,
    telemetry.SHADOW_SLICE_DIFFERENT, telemetry.SHADOW_FAILED, telemetry.SHADOW_DROPPED,
)  # fmt: skip
#: The labels that distinguish the parts of a metric.
_PARTS: Final = ("feature", "value", "reason")


@dataclass(frozen=True)
class Compared:
    """Requests that both versions answered, and how many differently (a batch counts by its share of such rows)."""

    total: float = 0.0
    different: float = 0.0


@dataclass(frozen=True)
class ReplicaCounts:
    """The counts of all replicas of the champion for one candidate.

    `slices` is keyed by (feature, value); `failed` by reason: unreachable, timeout, status, answer.
    """

    champion: str
    candidate: str
    whole: Compared
    slices: dict[tuple[str, str], Compared]
    failed: dict[str, float]
    dropped: float


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
    return [Counted(sample, at) for text in texts for sample in parse_page(text) if sample.name in _METRICS]


def read_prometheus(url: str, service: str, now: float, range_seconds: float, timeout_seconds: float) -> list[Counted]:
    """The counters of every replica that was scraped in the last `range_seconds`, summed over restarts.

    Raises:
        SourceError: the server cannot be reached, or does not answer as Prometheus does.
    """
    selector = f'{{__name__=~"{"|".join(_METRICS)}",service="{service}"}}[{range_seconds:.0f}s]'
    query = urlencode({"query": selector, "time": f"{now:.3f}"})
    text = fetch(f"{url.rstrip('/')}/api/v1/query?{query}", timeout_seconds)
    try:
        return [_counted(line) for line in json.loads(text)["data"]["result"]]
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

    The latest is the pair that was read last; of several, the pair with the most answers.
    """
    pairs: dict[tuple[str, str], list[Counted]] = defaultdict(list)
    for counter in counted:
        labels = counter.sample.labels
        if labels.get("service") == service and "candidate" in labels:
            pairs[labels.get("version", ""), labels["candidate"]].append(counter)
    counts = [(max(counter.at for counter in group), _seen(*pair, group)) for pair, group in pairs.items()]
    return max(counts, key=lambda each: (each[0], each[1].whole.total))[1] if counts else None


def _seen(champion: str, candidate: str, counted: Iterable[Counted]) -> ReplicaCounts:
    sums: dict[str, dict[tuple[str, ...], float]] = {name: defaultdict(float) for name in _METRICS}
    for counter in counted:
        labels = counter.sample.labels
        sums[counter.sample.name][tuple(labels[part] for part in _PARTS if part in labels)] += counter.sample.value
    compared, differing = sums[telemetry.SHADOW_SLICE_COMPARED], sums[telemetry.SHADOW_SLICE_DIFFERENT]
    return ReplicaCounts(
        champion, candidate,
        Compared(sums[telemetry.SHADOW_COMPARED][()], sums[telemetry.SHADOW_DIFFERENT][()]),
        {(place[0], place[1]): Compared(total, differing[place]) for place, total in compared.items()},
        {place[0]: number for place, number in sums[telemetry.SHADOW_FAILED].items()},
        sums[telemetry.SHADOW_DROPPED][()],
    )  # fmt: skip
