"""Counts the requests that reached each side at the same moments, by the weight that was set then.

Requests that a version loses are counted nowhere: its process was killed, or the gateway gave it up. They are missing
from its share of the traffic. A share can be told only from moments at which every replica's requests are known;
a replica that is gone, or was started anew, takes its last ones along, and those moments are left out for both sides.
So are those in which a replica is there and cannot be read, or never could.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.judge.evidence.gateway import ROUTED_SECONDS
from services.judge.evidence.series import Replica, Rows, Series
from services.telemetry import ARRIVED_SECONDS

#: A request is counted when it is answered, and for the time at which it arrived.
_ANSWERED_SECONDS = 2.0

#: By weight in percent: the requests that reached the champion, and those that reached the canary.
Arrivals = dict[float, tuple[float, float]]


def arrivals(
    series: Series, began: float, champions: Sequence[Replica], canaries: Sequence[Replica], now: float, gone: float
) -> Arrivals | None:
    """The requests of both sides by weight; None if a replica does not tell when its requests arrived.

    `gone` is the number of seconds after which a replica that is not read any more gets no requests any more.
    """
    replicas = [*champions, *canaries]
    live = [replica for replica in replicas if replica.times[-1] >= now - gone]
    if not all(replica.arrived for replica in live):
        return None
    if not live:
        return {}
    first = math.ceil(began / ARRIVED_SECONDS)
    last = math.floor((min(one.times[-1] for one in live) - _ANSWERED_SECONDS) / ARRIVED_SECONDS)
    slots = np.arange(first, max(last, first))
    starts: Rows = slots.astype(np.float64) * ARRIVED_SECONDS
    weights = series.weights_throughout(starts, starts + ARRIVED_SECONDS)
    weights[series.since_change(starts) < ROUTED_SECONDS] = np.nan
    counted = [np.sum([np.zeros(len(slots)), *(_counted(one, slots, gone) for one in side)], axis=0)
               for side in (champions, canaries)]  # fmt: skip
    known = ~np.isnan(weights) & ~np.isnan(counted[0]) & ~np.isnan(counted[1])
    for unread in series.unread.values():
        known &= (starts >= unread.until) | (starts + ARRIVED_SECONDS <= unread.since)
    return {
        weight: (float(counted[0][here].sum()), float(counted[1][here].sum()))
        for weight in np.unique(weights[known]).tolist()
        if (here := known & (weights == weight)).any()
    }


def _counted(replica: Replica, slots: NDArray[np.int64], gone: float) -> Rows:
    """The requests of a replica in each slot; 0 before and after its time, NaN where it is not known.

    A replica that had counted more requests at its first sample than that sample tells of was there before.
    """
    known, counts = np.array(list(replica.arrived)), np.array(list(replica.arrived.values()))
    numbers = np.full(len(slots), np.nan)
    numbers[slots < min(known, default=math.inf)] = 0.0 if replica.seen_whole else np.nan
    here = (known >= slots[0]) & (known <= slots[-1]) if len(slots) else np.zeros(len(known), dtype=bool)
    numbers[known[here] - slots[:1]] = counts[here]
    until = replica.times[-1]
    numbers[(slots + 1) * ARRIVED_SECONDS > until - _ANSWERED_SECONDS] = np.nan
    since_gone = max(until + min(gone, replica.away_seconds), replica.there_until)
    numbers[slots * ARRIVED_SECONDS > since_gone] = 0.0
    return numbers
