"""Turns evidence into a verdict: a pure function, shared by the cluster, the twin and the simulator."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from components.spec.contract import SCORE_EDGES, Rollout
from services.judge.evidence.counts import Evidence
from services.judge.statistics.assess import (
    ALONE,
    allowed_excess,
    interval,
    is_harm,
    is_safe,
    is_safe_alone,
    observations_needed,
    stack_arms,
)
from services.judge.statistics.evalue import Arms
from services.judge.statistics.latency_finding import made_before, sides_without, with_thresholds, within_objective
from services.judge.statistics.signal_result import SignalResult, State
from services.judge.statistics.signals import LatencySignal, Signal, judged_signals
from services.judge.statistics.wording import NOTHING, number, sentence

#: `undecided`: the deadline passed, and neither harm nor safety is shown. That is no pass, and no failure either.
Decision = Literal["pass", "fail", "wait", "undecided"]
#: The decisions after which the canary's traffic goes back.
ENDS: Final[tuple[Decision, ...]] = ("fail", "undecided")
_LARGEST_LOG = 300.0


@dataclass(frozen=True)
class Verdict:
    """A decision about the next weight, its reason, and the numbers behind it.

    `may_start` means that the canary has no traffic yet and may get its first.
    """

    verdict: Decision
    reason: str
    weight: float
    next_weight: float
    elapsed_seconds: float
    deadline_seconds: float
    may_start: bool
    findings: tuple[SignalResult, ...]

    @property
    def must_go(self) -> bool:
        """Whether the canary's traffic has to go back now."""
        return self.verdict in ENDS

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON values; `signals` holds the findings."""
        document = asdict(self)
        document["signals"] = list(document.pop("findings"))
        return document


def next_weight(weight: float, rollout: Rollout) -> float:
    """The weight after this one, in percent: one step more, or all traffic (promotion) after the largest weight."""
    if weight >= rollout.max_weight:
        return 100.0
    return float(min(weight + rollout.step_weight, rollout.max_weight))


def judge(evidence: Evidence, rollout: Rollout, toward: float | None = None) -> Verdict:
    """Decides if the canary may get `toward` percent of traffic (by default the next weight), fails, or waits.

    Missing or contradictory data means wait; waiting past the deadline means undecided.
    """
    toward = next_weight(evidence.weight, rollout) if toward is None else toward
    contradictions = evidence.contradictions()
    findings = () if contradictions else _findings(evidence, rollout, toward)
    lacking = [*evidence.problems, *contradictions, *evidence.doubts()]
    decision, reason = _decide(findings, lacking, toward)
    if decision == "wait" and evidence.elapsed_seconds >= rollout.deadline_minutes * 60:
        decision, reason = "undecided", _deadline_reason(rollout, reason, findings)
    may_start = evidence.weight == 0 and not lacking and (evidence.holdout is not None or not rollout.harm.score_shift)
    if may_start:
        reason = f"the canary has no traffic yet; its first {toward:g} % give something to judge"
    return Verdict(
        decision, f"{decision}: {reason}", evidence.weight, toward, evidence.elapsed_seconds,
        rollout.deadline_minutes * 60, may_start, tuple(findings),
    )  # fmt: skip


def verdict_at_end(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that ended a rollout, from those of its last moments, the newest first; there is at least one.

    It is the newest that ends a rollout, or the newest of all if none does. It is a fail if any of them is: each
    signal that was harmful in any of them stands with its newest harm. An e-value that once was beyond its bound
    has shown harm, whatever follows (Ville's inequality), and which of the moments Flagger was answered in is not
    known. Only without any harm it is undecided.
    """
    last = list(verdicts)
    ends = [verdict for verdict in last if verdict.must_go]
    if not ends:
        return last[0]
    harms = {finding.name: finding for verdict in reversed(ends) for finding in verdict.findings if _harmful(finding)}
    if not harms:
        return ends[0]
    # The newest has no findings if its counts contradict themselves.
    newest = next(end.findings for end in ends if end.findings)
    findings = tuple(harms.get(finding.name, finding) for finding in newest)
    decision, reason = _decide(findings, (), ends[0].next_weight)
    return replace(ends[0], verdict=decision, reason=f"{decision}: {reason}", findings=findings)


def _decide(findings: Sequence[SignalResult], problems: Sequence[str], toward: float) -> tuple[Decision, str]:
    harms = [finding.reason for finding in findings if _harmful(finding)]
    if harms:
        return "fail", "; ".join(harms)
    lacking = problems or [finding.reason for finding in findings if finding.state == "no data"]
    if lacking:
        return "wait", "; ".join(lacking)
    unsure = [finding.reason for finding in findings if finding.state == "open"]
    if unsure or not findings:
        return "wait", "; ".join(unsure) or "nothing has been measured yet"
    where = "to be promoted" if toward >= 100 else f"to get {toward:g} % of traffic"
    return "pass", f"safe {where}: " + "; ".join(finding.reason for finding in findings)


def _harmful(finding: SignalResult) -> bool:
    return finding.state == "harm"


def _deadline_reason(rollout: Rollout, reason: str, findings: Sequence[SignalResult]) -> str:
    needs = [f"{number(finding.enough)} for {finding.name}" for finding in findings if finding.enough is not None]
    hint = f". About this many canary observations would have been enough: {', '.join(needs)}" if needs else ""
    deadline = f"{rollout.deadline_minutes:g} minutes"
    return f"no decision within the deadline of {deadline}, for want of evidence ({reason}){hint}"


def _findings(evidence: Evidence, rollout: Rollout, toward: float) -> list[SignalResult]:
    """One result for each signal of the spec."""
    # A margin for shifts within the objective cannot be held without the thresholds, so their lack is no data then.
    known = rollout.harm.latency_shift is not None or not sides_without(evidence.strata)
    signals = judged_signals(rollout.harm, rollout.false_alarm, evidence.holdout, thresholds=known)
    late = evidence.elapsed_seconds >= rollout.deadline_minutes * 60
    findings = [_finding(signal, evidence, rollout, toward / 100, late) for signal in signals]
    margin = rollout.harm.score_shift
    if margin is not None and evidence.holdout is None:
        reason = "score_shift cannot be judged: what the hold-out showed between the two versions is missing"
        findings.append(SignalResult("score_shift", "no data", reason, margin, min(1.0, margin / toward * 100)))
    return findings


def _finding(signal: Signal, evidence: Evidence, rollout: Rollout, share: float, late: bool) -> SignalResult:
    strata = _arms(signal, evidence)
    allowed = allowed_excess(signal, share)
    lack = _lack(signal, strata)
    if lack:
        hint = observations_needed(signal, strata, rollout.false_alarm) if late and "missing" not in lack else None
        return SignalResult(signal.name, "no data", lack, signal.margin, allowed, enough=hint)
    state: State = "open"
    unsure: Arms | None = None
    if is_harm(signal, strata)[0]:
        state = "harm"
    elif is_safe(signal, strata, share, rollout.false_alarm)[0]:
        here = _here(strata, evidence.weight)
        if here is None or is_safe_alone(signal, here, share)[0]:
            state = "safe"
        else:
            unsure = here
    finding = replace(
        _measured(signal, strata, state, allowed, rollout.false_alarm),
        weight=evidence.weight,
        too_few_here=None if unsure is None else _observed(unsure),
    )
    if isinstance(signal, LatencySignal):
        within = _arms(within_objective(signal), evidence)
        finding = with_thresholds(finding, signal, strata, within, rollout.false_alarm)
    elif signal.name == "slow_ratio":
        finding = replace(finding, note=made_before(sides_without(evidence.strata)))
    hint = _enough(signal, strata, unsure, rollout.false_alarm) if late and state == "open" else None
    return replace(finding, reason=sentence(finding), enough=hint)


def _enough(signal: Signal, strata: Sequence[Arms], unsure: Arms | None, false_alarm: float) -> float | None:
    """About how many canary observations would promote; `unsure` is the weight whose own are all that is missing."""
    if unsure is None:
        return observations_needed(signal, strata, false_alarm)
    needed = observations_needed(signal, [unsure], ALONE)
    return None if needed is None else sum(map(_observed, strata)) - _observed(unsure) + needed


def _observed(arms: Arms) -> float:
    """The number of the canary's observations."""
    return float(arms.canary[0, 0].sum())


def _here(strata: Sequence[Arms], weight: float) -> Arms | None:
    """The current weight's arms, empty if nothing was counted at it yet; None at a weight with only one side."""
    if not strata or not 0 < weight < 100:
        return None
    none = np.zeros_like(strata[0].canary)
    return next((arms for arms in strata if math.isclose(arms.weight * 100, weight)), Arms(weight / 100, none, none))


def _arms(signal: Signal, evidence: Evidence) -> list[Arms]:
    """The signal's arms in the strata with two sides to compare; a missing metric stays NaN."""
    found = []
    for stratum in evidence.strata:
        if 0 < stratum.weight < 100:
            pairs = ((stratum.champion, stratum.canary), *stratum.later)
            tables = [
                (stratum.weight / 100, canary.vector()[None], champion.vector()[None]) for champion, canary in pairs
            ]
            whole, *later = stack_arms(signal, tables)
            found.append(replace(whole, later=tuple(later)))
    return found


def _lack(signal: Signal, strata: Sequence[Arms]) -> str:
    """The reason why a signal cannot be judged at all; empty if it can."""
    for side in ("canary", "champion"):
        counts = [getattr(arms, side) for arms in strata]
        if any(np.isnan(table).any() for table in counts):
            return f"{signal.name} cannot be judged: the {side}'s counters for it are missing"
        if sum(float(table.sum()) for table in counts) == 0:
            return f"{signal.name} cannot be judged: the {side} has {NOTHING[signal.name]} yet"
    return ""


def _measured(signal: Signal, strata: Sequence[Arms], state: State, allowed: float, false_alarm: float) -> SignalResult:
    canary, champion = (mean[0] for mean in signal.means(strata))
    beyond = canary - champion - np.array(signal.centres)
    at = int(np.argmax(np.abs(beyond) - np.array(signal.allowances))) if signal.two_sided else 0
    lower, upper = interval(signal, strata, false_alarm)
    return SignalResult(
        name=signal.name, state=state, reason="", margin=signal.margin, allowed=allowed,
        canary_observations=sum(map(_observed, strata)),
        champion_observations=sum(float(arms.champion[0, 0].sum()) for arms in strata),
        canary=float(canary[at]), champion=float(champion[at]), excess=float(beyond[at]), lower=lower, upper=upper,
        e_harm=_exponential(signal.log_harm(strata, signal.margin)[0]), e_harm_needed=1 / signal.false_alarm,
        e_safe=_exponential(signal.log_safe(strata, allowed)[0]), e_safe_needed=1 / false_alarm,
        edge=SCORE_EDGES[at] if signal.two_sided else None,
    )  # fmt: skip


def _exponential(log_e: np.floating[Any]) -> float:
    """The e-value, clipped to the range that readers of JSON can hold."""
    return float(np.exp(np.clip(log_e, -_LARGEST_LOG, _LARGEST_LOG)))
