"""The named settings of a rollout, by the traffic of a service; `make new TRAFFIC=` writes them."""

from __future__ import annotations

import math
from typing import Final

from components.spec.contract import Harm, Rollout

#: A server remembers an answer for so many looks, to count its label when that comes.
REMEMBERED_LOOKS: Final = 127

#: `low` is for about 100 requests a day (80 or more): half of the traffic at once, two weeks, and margins that so few
#: requests can show. An equal canary is promoted within 11 days in nine of ten rollouts; `make plan TRAFFIC=low
#: RATE=100/day` plays them.
TRAFFIC_SETTINGS: Final[dict[str, Rollout]] = {
    "usual": Rollout(),
    "low": Rollout(
        step_weight=50,
        max_weight=50,
        interval_seconds=900,
        deadline_minutes=14 * 24 * 60,
        harm=Harm(error_ratio=0.05, slow_ratio=0.05, score_shift=0.2, label_loss=0.1, lost_ratio=0.3),
    ),
}


def weight_count(rollout: Rollout) -> int:
    """The number of weights that a canary gets before it is promoted."""
    return math.ceil(rollout.max_weight / rollout.step_weight)


def longest_label_delay_seconds(rollout: Rollout) -> float:
    """Labels that come later than this cannot be judged: each weight waits for its own, and answers are forgotten."""
    return min(rollout.deadline_minutes * 60 / weight_count(rollout), REMEMBERED_LOOKS * rollout.interval_seconds)
