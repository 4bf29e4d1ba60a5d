"""The result of one signal: the numbers that a verdict, the log and the report show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

#: "not judged" is a signal that a server of before cannot tell; it neither passes nor stops anything.
State = Literal["harm", "safe", "open", "no data", "not judged"]


@dataclass(frozen=True)
class LatencyShare:
    """The share of requests slower than `times` the objective; without a margin it is told and never judged.

    `lower` and `upper` bound the excess at every look, for a share that is not judged.
    """

    times: str
    margin: float | None
    canary: float
    champion: float
    excess: float
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class CallersMoved:
    """How far a canary's callers are from its hold-out, and the shift of scores that is expected of them.

    `feature` is the one in which they are furthest away. `expected` is the shift at the signal's edge that the hold-out
    shows if it is weighted like the callers, `on_holdout` the one that it shows as it is. Without `used` scores were
    compared with the latter all the same.
    """

    inputs: float
    unlike: float
    distance: float
    feature: str
    expected: float
    on_holdout: float
    used: bool


@dataclass(frozen=True)
class SignalResult:
    """The result of one signal. Means, excess and bounds are in the signal's own unit, not in percent.

    `lower` and `upper` bound the excess at every look; None where the evidence rules nothing out. `allowed`
    is the excess allowed for the next weight. `edge` is the score at which a shift of scores is worst, or
    `answer_class` the class.
    `weight` is the current percent of traffic; `too_few_here` is the number of canary observations at this weight,
    set where all weights together show safety and this one alone does not yet.
    `alone` names the one replica without which the evidence would show nothing.
    `worst_weight` is the weight with the largest excess, `worst_excess`.
    `enough` is about how many canary observations a canary like the champion needs; set only at a deadline.
    `times` is the threshold of latency that decides, as a multiple of the objective: margin, allowed, means, excess
    and bounds are its own. `latency` has the shares at all thresholds. `note` is a sentence for the reason.
    `gave_up` are the canary's and the champion's errors that the gateway answered itself; None where it tells nothing.
    `moved` is set where the canary's callers are not those of its hold-out. `loss` names the loss of labels where it is
    not the Brier loss of a probability.
    """

    name: str
    state: State
    reason: str
    margin: float
    allowed: float
    canary_observations: float = 0.0
    champion_observations: float = 0.0
    canary: float | None = None
    champion: float | None = None
    excess: float | None = None
    lower: float | None = None
    upper: float | None = None
    e_harm: float = 1.0
    e_harm_needed: float | None = None
    e_safe: float = 1.0
    e_safe_needed: float | None = None
    edge: float | None = None
    weight: float | None = None
    too_few_here: float | None = None
    alone: str | None = None
    worst_weight: float | None = None
    worst_excess: float | None = None
    enough: float | None = None
    times: str | None = None
    latency: tuple[LatencyShare, ...] = ()
    note: str = ""
    gave_up: tuple[float, float] | None = None
    moved: CallersMoved | None = None
    loss: str | None = None
    answer_class: str | None = None


_LARGEST_LOG: Final = 300.0


def clipped(log_e: np.floating[Any]) -> float:
    """The e-value of a logarithm, clipped to the range that readers of JSON can hold."""
    return float(np.exp(np.clip(log_e, -_LARGEST_LOG, _LARGEST_LOG)))
