"""The time in which a version is only warming up: its latency is not judged then.

The first requests of a process fill caches and compile code, and a side that has just got more traffic waits for its
autoscaler. Both are over after two looks, and tell nothing of how the version answers callers for good.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.judge.evidence.counts import REQUESTS_AT
from services.judge.evidence.series import Replica, Rows, Series

#: Looks after each change of weight, and after a replica's first sample, in which latency is not judged.
_LOOKS = 2.0


@dataclass(frozen=True)
class Timing:
    """The times of a rollout, in seconds.

    `look_seconds` is the time between two looks, `moment_seconds` that between two moments at which harm may have
    begun. An answer's labels count once it is as old as `mature_seconds`; 0 counts them as they come. The latency of
    the canary's first `warm_requests` is not judged.
    """

    look_seconds: float = 0.0
    moment_seconds: float = math.inf
    mature_seconds: float = 0.0
    warm_requests: float = 0.0


#: Nothing is left out, and harm may have begun at no moment but the first.
UNTIMED = Timing()


def warm_from(began: float, canaries: Sequence[Replica], timing: Timing) -> float:
    """The time from which the canary is warm: it has answered `warm_requests` since the rollout began."""
    if timing.warm_requests <= 0:
        return began
    steps = [
        (end, float(max(later[REQUESTS_AT] - earlier[REQUESTS_AT], 0.0)))
        for one in canaries
        for start, end, earlier, later in zip(one.times, one.times[1:], one.rows, one.rows[1:], strict=False)
        if start >= began
    ]
    answered = 0.0
    for end, requests in sorted(steps):
        answered += requests
        if answered >= timing.warm_requests:
            return end
    return math.inf


def is_warm(
    series: Series, replica: Replica, starts: Rows, canary_warm_from: float, timing: Timing
) -> NDArray[np.bool_]:
    """Which steps of a replica, by the times at which they start, tell how it answers for good."""
    unsettled = _LOOKS * timing.look_seconds
    began = [replica.times[0], *(at for place, at in enumerate(replica.times) if replica.restarted_at(place))]
    young = np.any([(starts >= at) & (starts < at + unsettled) for at in began[_known_long(series, replica) :]], axis=0)
    warm: NDArray[np.bool_] = (series.since_change(starts) >= unsettled) & (starts >= canary_warm_from) & ~young
    return warm


def _known_long(series: Series, replica: Replica) -> int:
    """1 if the replica was there when the samples begin, so that its first sample tells nothing of its age."""
    return int(bool(series.weight_times) and replica.times[0] <= series.weight_times[0])
