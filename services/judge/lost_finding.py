"""The finding on requests that nobody counted."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from components.spec.contract import Rollout
from services.judge.evidence.counts import Evidence, Stratum
from services.judge.statistics.assess import ALONE
from services.judge.statistics.lost import Shares, log_kept, log_lost, lost_interval, seen_loss, surely_below
from services.judge.statistics.signal_result import SignalResult, State, clipped
from services.judge.statistics.signals import LOST, levels
from services.judge.statistics.wording import sentence


def lost_finding(evidence: Evidence, rollout: Rollout, margin: float, share: float) -> SignalResult:
    """The result of `lost_ratio`, on a share in (0, 1] of the traffic."""
    allowed = surely_below(margin, share)
    level = levels(rollout.harm, rollout.false_alarm)[LOST]
    if any(stratum.arrived is None for stratum in evidence.strata):
        reason = "lost_ratio is not judged: a replica does not tell when its requests arrived"
        return SignalResult(LOST, "not judged", reason, margin, allowed)
    by_weight = {each.weight: _shares(each) for each in evidence.strata if 0 < each.weight < 100}
    strata = list(by_weight.values())
    champion = sum(float(shares.champion[0]) for shares in strata)
    canary = sum(float(shares.canary[0]) for shares in strata)
    if not champion + canary:
        reason = "lost_ratio cannot be judged: no request has arrived yet at a moment at which all replicas are known"
        return SignalResult(LOST, "no data", reason, margin, allowed)
    state: State = "open"
    here = by_weight.get(evidence.weight)
    lost, kept = log_lost(strata, margin)[0], log_kept(strata, allowed)[0]
    if lost >= -math.log(level):
        state = "harm"
    elif kept >= -math.log(rollout.false_alarm):
        alone = here is not None and log_kept([here], allowed)[0] >= -math.log(ALONE)
        state = "safe" if alone else "open"
    lower, upper = lost_interval(strata, level, rollout.false_alarm)
    loss = seen_loss(strata)
    finding = SignalResult(
        LOST, state, "", margin, allowed, canary, champion, canary=loss, champion=0.0, excess=loss,
        lower=lower, upper=upper, weight=evidence.weight,
        e_harm=clipped(lost), e_harm_needed=1 / level,
        e_safe=clipped(kept), e_safe_needed=1 / rollout.false_alarm,
    )  # fmt: skip
    return replace(finding, reason=sentence(finding))


def _shares(stratum: Stratum) -> Shares:
    champion, canary = stratum.arrived or (0.0, 0.0)
    return Shares(stratum.weight / 100, np.array([canary]), np.array([champion]))
