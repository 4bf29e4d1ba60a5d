"""Finds the replicas that behave unlike the others of their side: a bad node is no bad version.

This test decides nothing. Whatever it finds, the judge asks whether its decision would be the same without that
replica; so a false finding costs a little evidence, and a missed one leaves the decision as it would have been.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from services.judge.evidence.counts import (
    BINS,
    CLASSES_AT,
    ERRORS_AT,
    LOSSES_AT,
    REQUESTS_AT,
    SCORES_AT,
    SLOW_AT,
    TIMED_AT,
    Stratum,
    stacked,
)
from services.judge.evidence.series import Rows
from services.telemetry import LABEL_LOSSES

#: A replica is unlike the others if chance makes one as unlike less than once in a thousand.
_LOG_RARE = math.log(1000)
_RARE_DEVIATIONS = 4.0
_RATIOS = (("error_ratio", ERRORS_AT, REQUESTS_AT), ("slow_ratio", SLOW_AT, TIMED_AT))
_LOSSES, _BINS, _HIT = np.array(LABEL_LOSSES), np.arange(BINS, dtype=np.float64), np.array([0.0, 1.0])


def unlike(counted: Mapping[str, Rows]) -> Iterator[tuple[str, str]]:
    """For each signal, the replica that is most unlike the others of its side, if any is; as (replica, signal).

    `counted` holds one row of counts for each replica of a side. Only a worse replica is found, except for scores,
    where higher and lower are both unlike.
    """
    if len(counted) < 2:
        return
    names, rows = list(counted), stacked(list(counted.values()))
    for signal, hits, whole in _RATIOS:
        yield from _rarest(names, signal, _log_rarities(rows[:, hits], rows[:, whole]), _LOG_RARE)
    yield from _rarest(names, "label_loss", _deviations(rows[:, LOSSES_AT], _LOSSES), _RARE_DEVIATIONS)
    yield from _rarest(names, "score_shift", _score_deviations(rows), _RARE_DEVIATIONS)


def without(stratum: Stratum, side: str, part: float) -> Stratum:
    """The same counts with the share that the canary's traffic is of all, without a replica that had a part of it.

    `part` is the replica's part of its side's requests, in [0, 1).
    """
    canary, champion = stratum.weight / 100, 1 - stratum.weight / 100
    canary *= 1 - part if side == "canary" else 1
    champion *= 1 - part if side == "champion" else 1
    return replace(stratum, share=100 * canary / (canary + champion))


def _rarest(names: list[str], signal: str, rarities: Rows, needed: float) -> Iterator[tuple[str, str]]:
    place = int(np.argmax(np.nan_to_num(rarities, nan=-math.inf)))
    if rarities[place] >= needed:
        yield names[place], signal


def _log_rarities(hits: Rows, wholes: Rows) -> Rows:
    """How seldom chance gives each replica so many of all hits, as a negative logarithm (Chernoff's bound)."""
    hits, wholes = np.nan_to_num(hits), np.nan_to_num(wholes)
    total, part = hits.sum(), np.clip(wholes / max(wholes.sum(), 1e-9), 1e-9, 1 - 1e-9)
    seen = np.clip(hits / max(total, 1e-9), 1e-12, 1 - 1e-12)
    divergence = seen * np.log(seen / part) + (1 - seen) * np.log((1 - seen) / (1 - part))
    rarity: Rows = np.where(seen > part, total * divergence, 0.0)
    return rarity


def _score_deviations(rows: Rows) -> Rows:
    """How unlike each replica's answers are: by their mean bin, or by the share of a class, whichever is more."""
    classes = rows[:, CLASSES_AT]
    shares = (np.stack([classes.sum(axis=1) - one, one], axis=-1) for one in classes.T)
    found = [_deviations(rows[:, SCORES_AT], _BINS), *(_deviations(table, _HIT) for table in shares)]
    furthest: Rows = np.abs(found).max(axis=0)
    return furthest


def _deviations(table: Rows, values: Rows) -> Rows:
    """By how many standard errors each replica's mean is above that of the others."""
    n = table.sum(axis=1)
    others = n.sum() - n
    total = table.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, rest = table @ values / n, (total - table) @ values / others
        variance = total @ values**2 / n.sum() - (total @ values / n.sum()) ** 2
        deviations: Rows = (mean - rest) / np.sqrt(variance * (1 / n + 1 / others))
    return np.nan_to_num(deviations, nan=0.0, posinf=0.0, neginf=0.0)
