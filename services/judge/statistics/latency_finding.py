"""What a finding says about latency: the threshold that decides, the shares at all of them, and what is not judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from services.judge.evidence.counts import Stratum
from services.judge.statistics.assess import interval
from services.judge.statistics.evalue import Arms
from services.judge.statistics.latency import WITHIN
from services.judge.statistics.signal_result import LatencyShare, SignalResult
from services.judge.statistics.signals import LatencySignal, at_thresholds, only
from services.judge.statistics.wording import objective, percent
from services.telemetry import SLOWER


def sides_without(strata: Iterable[Stratum]) -> list[str]:
    """The sides whose servers do not count requests by several thresholds."""
    both = [(stratum.champion, stratum.canary) for stratum in strata]
    return [side for at, side in enumerate(("champion", "canary")) if any(pair[at].slower is None for pair in both)]


def with_thresholds(
    finding: SignalResult, signal: LatencySignal, strata: Sequence[Arms], within: Sequence[Arms], false_alarm: float
) -> SignalResult:
    """The finding with the numbers of the threshold that decides.

    `within` holds the arms of the thresholds below the objective (see `within_objective`).
    """
    at, scale = _decides(finding, signal, strata)
    shares = [*_told(signal, within, false_alarm), *_judged(signal, strata)]
    shares.sort(key=lambda share: float(share.times))
    chosen = next(share for share in shares if share.times == signal.times[at])
    return replace(
        finding, times=chosen.times, margin=finding.margin * scale, allowed=finding.allowed * scale,
        canary=chosen.canary, champion=chosen.champion, excess=chosen.excess,
        lower=None if finding.lower is None else finding.lower * scale,
        upper=None if finding.upper is None else finding.upper * scale,
        latency=tuple(shares), note=_shift(shares),
    )  # fmt: skip


def within_objective(signal: LatencySignal) -> LatencySignal:
    """The thresholds below the objective that the spec does not judge, as a signal that selects their counts."""
    return at_thresholds(signal, {times: 1.0 for times in WITHIN if times not in signal.times})


def made_before(sides: Sequence[str]) -> str:
    """The sentence that says why latency is judged at the objective alone; empty if all sides count it."""
    if not sides:
        return ""
    who = " and the ".join(sides)
    return f"judged at the objective alone, because the {who} {'do' if len(sides) > 1 else 'does'} not export {SLOWER}"


def _decides(finding: SignalResult, signal: LatencySignal, strata: Sequence[Arms]) -> tuple[int, float]:
    """The threshold that shows most harm, or is furthest from being safe; with its scale."""
    if finding.state == "harm":
        at = int(np.argmax(signal.harm_by_threshold(strata, signal.margin)[0]))
    else:
        at = int(np.argmin(signal.safe_by_threshold(strata, finding.allowed)[0]))
    return at, signal.scales[at]


def _judged(signal: LatencySignal, strata: Sequence[Arms]) -> list[LatencyShare]:
    canary, champion = (mean[0].tolist() for mean in signal.means(strata))
    rows = zip(signal.times, signal.scales, canary, champion, strict=True)
    return [
        LatencyShare(times, signal.margin * scale, ours, theirs, ours - theirs) for times, scale, ours, theirs in rows
    ]


def _told(signal: LatencySignal, within: Sequence[Arms], false_alarm: float) -> list[LatencyShare]:
    told, shares = within_objective(signal), []
    for mean, share in enumerate(_judged(told, within)):
        single = replace(told, times=(told.times[mean],), scales=(1.0,), centres=(0.0,), allowances=(0.0,))
        lower, upper = interval(single, only(within, mean), false_alarm)
        shares.append(replace(share, margin=None, lower=lower, upper=upper))
    return shares


def _shift(shares: Sequence[LatencyShare]) -> str:
    """A sentence about the clearest shift below the objective, if one is shown."""
    shown = [share for share in shares if share.margin is None and _least(share) > 0]
    if not shown:
        return ""
    share = max(shown, key=_least)
    slower = "slower" if share.excess > 0 else "faster"
    return (
        f"a shift within the objective, told only: {percent(share.canary)} of the canary's requests were slower than"
        f" {objective(share.times)} against {percent(share.champion)}, {slower} by at least {percent(_least(share))}"
    )


def _least(share: LatencyShare) -> float:
    """The least size of the shift in either direction; 0 if there may be none."""
    return max(share.lower or 0.0, -(share.upper or 0.0), 0.0)
