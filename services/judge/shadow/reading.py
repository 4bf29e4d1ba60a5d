"""From metrics pages, or a Prometheus server, to what the champion has seen of its candidate."""

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
#: The label that tells the parts of a metric from each other.
_PARTS: Final = ("feature", "value", "reason")


@dataclass(frozen=True)
class Compared:
    """Requests that both versions answered, and how many of them differently (a share of one with many rows)."""

    total: float = 0.0
    different: float = 0.0


@dataclass(frozen=True)
class ReplicaCounts:
    """What all replicas of the champion counted about one candidate.

    `slices` is by (feature, value); `failed` by reason: unreachable, timeout, status, answer.
    """

    champion: str
    candidate: str
    whole: Compared
    slices: dict[tuple[str, str], Compared]
    failed: dict[str, float]
    dropped: float


@dataclass(frozen=True)
class Counted:
    """One counter of one replica: what it counted in all, and when it was last read (Unix seconds)."""

    sample: MetricSample
    at: float


def read_pages(texts: Iterable[str], at: float = 0.0) -> list[Counted]:
    """The counters of pages in Prometheus's text format.

    Raises:
        ValueError: a page is not in that format.
    """
    return [Counted(sample, at) for text in texts for sample in parse_page(text) if sample.name in _METRICS]


def read_prometheus(url: str, service: str, now: float, range_seconds: float, timeout_seconds: float) -> list[Counted]:
    """The counters of every replica that was scraped in the last `range_seconds`, restarts included.

    Raises:
        SourceError: the server cannot be asked, or answers something else than Prometheus does.
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
    """What a counter counted in all; one that fell was restarted and has counted from zero since."""
    before = sum(earlier for earlier, later in pairwise(values) if later < earlier)
    return before + values[-1]


def read_seen(counted: Iterable[Counted], service: str) -> ReplicaCounts | None:
    """What was seen of the candidate that answered last; None if no replica asks one.

    Of several pairs of versions it is the one that was read last, then the one with the most answers.
    """
    pairs: dict[tuple[str, str], list[Counted]] = defaultdict(list)
    for one in counted:
        labels = one.sample.labels
        if labels.get("service") == service and "candidate" in labels:
            pairs[labels.get("version", ""), labels["candidate"]].append(one)
    found = [(max(one.at for one in some), _seen(*pair, some)) for pair, some in pairs.items()]
    return max(found, key=lambda each: (each[0], each[1].whole.total))[1] if found else None


def _seen(champion: str, candidate: str, counted: Iterable[Counted]) -> ReplicaCounts:
    sums: dict[str, dict[tuple[str, ...], float]] = {name: defaultdict(float) for name in _METRICS}
    for one in counted:
        labels = one.sample.labels
        sums[one.sample.name][tuple(labels[part] for part in _PARTS if part in labels)] += one.sample.value
    compared, differing = sums[telemetry.SHADOW_SLICE_COMPARED], sums[telemetry.SHADOW_SLICE_DIFFERENT]
    return ReplicaCounts(
        champion, candidate,
        Compared(sums[telemetry.SHADOW_COMPARED][()], sums[telemetry.SHADOW_DIFFERENT][()]),
        {(place[0], place[1]): Compared(total, differing[place]) for place, total in compared.items()},
        {place[0]: number for place, number in sums[telemetry.SHADOW_FAILED].items()},
        sums[telemetry.SHADOW_DROPPED][()],
    )  # fmt: skip
