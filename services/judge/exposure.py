"""Bounds what callers meet of a harmful canary: its share of the traffic times its excess.

A weight is given only once the evidence shows that the excess times that weight is within the margin (`allowed_excess`,
`is_safe`). To get the first weight at which it is not, a canary with that excess from the start needs an e-process that
errs, and that happens in at most `false_alarm` of rollouts (Ville's inequality). In all others it stays below that
weight until it is failed, or until the deadline. Only the first weight is given without evidence. A canary whose harm
begins later has its weight already; it stays there, for each weight is passed on evidence from that weight as well.

**Scores** are held against what the hold-out showed, and what that may be off is added to the margin at every weight
(`Signal.allowances`, two standard errors). An excess beyond what the hold-out showed is allowed up to
margin / share + allowance; one beyond what is true may be larger by another allowance, as far as the hold-out is off.
"""

from __future__ import annotations

from components.spec.contract import Rollout
from services.judge.statistics.lost import surely_below
from services.judge.statistics.signals import LOST
from services.judge.verdict import ramp


def largest_share(
    rollout: Rollout, signal: str, margin: float, excess: float, begun_at: float = 0.0, allowance: float = 0.0
) -> float:
    """The largest share in (0, 1] of the traffic that a canary with this excess keeps; `begun_at` is in percent.

    `begun_at` is the weight at which the harm began, if it was not there from the start. A loss of requests is told
    by the share of the traffic, which promises less than a margin: `surely_below`. `allowance` is the signal's largest;
    twice that for an excess beyond what is true.
    """
    allowed = surely_below(margin, 1.0) if signal == LOST else margin
    first, *others = ramp(rollout)
    within = [weight for weight in others if weight / 100 * (excess - allowance) <= allowed]
    return max(first, begun_at, *within) / 100


def exposure_bound(
    rollout: Rollout, signal: str, margin: float, excess: float, begun_at: float = 0.0, allowance: float = 0.0
) -> float:
    """The largest part of all requests, until the deadline, that meets the harm: share x excess, in [0, 1]."""
    return largest_share(rollout, signal, margin, excess, begun_at, allowance) * excess
