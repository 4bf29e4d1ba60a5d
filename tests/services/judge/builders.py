"""Short ways to write evidence down by hand."""

from __future__ import annotations

import numpy as np

from services.judge.evidence.counts import BINS, Counts, Evidence, HoldoutShift, Stratum
from services.judge.evidence.exposition import PARTS

HOLDOUT = HoldoutShift((0.0,) * BINS, (0.003,) * BINS)
FLAT = (1 / BINS,) * BINS


def counts(
    requests: float,
    errors: float = 0.0,
    slow: float = 0.0,
    shape: tuple[float, ...] = FLAT,
    labels: float = 0.0,
    wrong: float = 0.1,
    slower: tuple[float, ...] | None = None,
) -> Counts:
    """Counts of a side: scores are spread as `shape`; `wrong` is the share of labels against the score.

    `slower` are the requests beyond each of `SLOWER_TIMES`; by default as few as there can be.
    """
    positives = [wrong if score_bin < BINS // 2 else 1 - wrong for score_bin in range(BINS)]
    parts = [(part, p) for part, positive in zip(shape, positives, strict=True) for p in (1 - positive, positive)]
    return Counts(
        requests,
        errors,
        slow,
        scores=tuple(requests * part for part in shape),
        losses=tuple((np.array([labels * part * p for part, p in parts]) @ PARTS).tolist()),
        slower=(slow, slow, 0.0, 0.0) if slower is None else slower,
    )


def evidence(*strata: Stratum, weight: float = 10.0, elapsed_seconds: float = 60.0) -> Evidence:
    """Evidence of a rollout without problems."""
    return Evidence(strata, weight, elapsed_seconds, HOLDOUT)


def stratum(canary: Counts, champion: Counts, weight: float = 10.0) -> Stratum:
    return Stratum(weight, champion, canary)
