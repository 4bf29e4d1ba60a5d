"""What a plan assumes of callers and of the champion: from its counters where they are known, else as simulated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from services.judge.errors import SourceError
from services.judge.evidence.counts import Counts
from services.judge.evidence.exposition import parse_page, read_replica
from services.judge.evidence.sources import fetch
from services.judge.simulate.world import SimulatedVersion, champion, with_slow

#: With fewer requests a champion's ratios are hardly known.
FEWEST_REQUESTS = 100
_FETCH_SECONDS = 5.0


def read_counters(place: str) -> str:
    """The text of a page of /metrics, from a file or an http address.

    Raises:
        SourceError: it cannot be read.
    """
    if urlsplit(place).scheme in ("http", "https"):
        return fetch(place, _FETCH_SECONDS)
    try:
        return Path(place).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{place} cannot be read: {error}; give a file or an http address of /metrics") from error


def counted(pages: Iterable[str], service: str, at: float) -> Counts:
    """What the replicas of a service have counted together; `at` is the Unix time at which they were read.

    Raises:
        SourceError: a page has no counters of this service, or is no page of metrics.
    """
    total = Counts()
    for page in pages:
        try:
            reading = read_replica(parse_page(page), service, at)
        except ValueError as error:
            raise SourceError(f"the counters of {service} are not in Prometheus's format: {error}") from error
        if reading is None:
            raise SourceError(f"the page has no counters of {service}; is it the /metrics of one of its replicas?")
        total = total + reading.counts
    return total


def champion_of(counts: Counts, usual: SimulatedVersion | None = None) -> SimulatedVersion | None:
    """A champion with the counted ratios, scores and classes; None with too few requests to know them.

    Its losses are taken as those of the `usual` one of its task (by default, of two words), since few labels may have
    come back; and so is what is not counted.
    """
    requests, usual = counts.requests or 0.0, usual or champion()
    if requests < FEWEST_REQUESTS:
        return None
    scores = usual.scores if counts.scores is None or not sum(counts.scores) else np.array(counts.scores)
    error = usual.error if counts.errors is None else _ratio(counts.errors, requests)
    slow = usual.slow if counts.slow is None else _ratio(counts.slow, requests)
    answered = sum(counts.classes)
    classes = np.array(counts.classes) / answered if answered else usual.classes
    return replace(with_slow(usual, slow), error=error, scores=scores / scores.sum(), classes=classes)


def _ratio(part: float, whole: float) -> float:
    """A ratio that is never 0 or 1: what was not seen yet may come."""
    return (part + 0.5) / (whole + 1)
