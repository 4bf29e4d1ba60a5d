"""The thresholds at which latency is compared, as multiples of the objective, and the margin of each.

One share hides what happens beyond it: a canary may answer as many requests within the objective as the champion
does, and let the rest wait ten times as long. So `slow_ratio` compares the shares of requests slower than 1, 2 and 4
times the objective. (Lindon, Sanden and Shirikian 2022 compare whole distributions; a few thresholds need fewer
requests and have margins that people can set.) The spec has one margin, for the first share; half of it is allowed in
the second and a quarter in the third, because the longer wait is the greater harm. Thresholds below the objective are
measured and told; they are judged only where the spec has `latency_shift`.
"""

from __future__ import annotations

from typing import Final

from components.spec.contract import Harm
from services.judge.evidence.counts import SLOW_AT, SLOWER_AT
from services.telemetry import SLOWER_TIMES

#: The objective itself; its share is counted by `telemetry.SLOW`.
OBJECTIVE: Final = "1"
#: Column of `Counts.vector` by threshold; the faster come first.
COLUMN: Final = {
    times: SLOW_AT if times == OBJECTIVE else SLOWER_AT.start + SLOWER_TIMES.index(times)
    for times in sorted((OBJECTIVE, *SLOWER_TIMES), key=float)
}
#: Thresholds below the objective.
WITHIN: Final = tuple(times for times in COLUMN if float(times) < 1)
#: The margin of each other threshold, as a part of `slow_ratio`.
_SCALES: Final = {OBJECTIVE: 1.0, "2": 0.5, "4": 0.25}
#: Harm is expected at the objective this many times as often as at any other threshold.
OBJECTIVE_WEIGHT: Final = 2.0


def scales(harm: Harm) -> dict[str, float]:
    """The margin of each judged threshold, as a multiple of `slow_ratio`."""
    if harm.latency_shift is None or harm.slow_ratio is None:
        return dict(_SCALES)
    return dict.fromkeys(WITHIN, harm.latency_shift / harm.slow_ratio) | _SCALES
