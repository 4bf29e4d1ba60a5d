"""Turns evidence into a verdict: a pure function, shared by the cluster, the twin and the simulator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from components.spec.contract import Rollout
from services.judge.evidence.counts import Evidence
from services.judge.findings import findings_of
from services.judge.headline import context, failed, unsure
from services.judge.statistics.signal_result import SignalResult
from services.judge.statistics.wording import number

#: `undecided`: the deadline passed, and neither harm nor safety is shown. That is no pass, and no failure either.
Decision = Literal["pass", "fail", "wait", "undecided"]
#: The decisions after which the canary's traffic goes back.
ENDS: Final[tuple[Decision, ...]] = ("fail", "undecided")


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
        signals = list(document.pop("findings"))
        for signal in signals:
            # Only answers with classes have one: a decision about others is written as it always was.
            if signal["answer_class"] is None:
                del signal["answer_class"]
        document["signals"] = signals
        return document


def next_weight(weight: float, rollout: Rollout) -> float:
    """The weight after this one, in percent: one step more, or all traffic (promotion) after the largest weight."""
    if weight >= rollout.max_weight:
        return 100.0
    return float(min(weight + rollout.step_weight, rollout.max_weight))


def ramp(rollout: Rollout) -> list[float]:
    """The weights of a rollout that is promoted, in percent, with promotion (100) as the last."""
    weights = [next_weight(0.0, rollout)]
    while weights[-1] < 100:
        weights.append(next_weight(weights[-1], rollout))
    return weights


def judge(evidence: Evidence, rollout: Rollout, toward: float | None = None) -> Verdict:
    """Decides if the canary may get `toward` percent of traffic (by default the next weight), fails, or waits.

    Missing or contradictory data means wait; waiting past the deadline means undecided.
    """
    toward = next_weight(evidence.weight, rollout) if toward is None else toward
    contradictions = evidence.contradictions()
    findings = () if contradictions else findings_of(evidence, rollout, toward)
    lacking = [*evidence.problems, *contradictions, *evidence.doubts()]
    decision, headline, details = _decide(findings, lacking, toward)
    if rollout.harm.label_loss is not None:
        details = "; ".join((details, *evidence.remarks))
    reason = f"{headline}{context(evidence.elapsed_seconds, evidence.weight, findings)}: {details}"
    if decision == "wait" and evidence.elapsed_seconds >= rollout.deadline_minutes * 60:
        decision, reason = "undecided", _deadline_reason(rollout, details, findings)
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
    decision, headline, details = _decide(findings, (), ends[0].next_weight)
    reason = f"{decision}: {headline}{context(ends[0].elapsed_seconds, ends[0].weight, findings)}: {details}"
    return replace(ends[0], verdict=decision, reason=reason, findings=findings)


def _decide(findings: Sequence[SignalResult], problems: Sequence[str], toward: float) -> tuple[Decision, str, str]:
    """The decision, its headline, and the evidence in full."""
    harms = [finding for finding in findings if _harmful(finding)]
    if harms:
        return "fail", failed(harms), _reasons(harms)
    lacking = problems or [finding.reason for finding in findings if finding.state == "no data"]
    if lacking:
        return "wait", "it cannot be judged yet", "; ".join(lacking)
    open_ = [finding for finding in findings if finding.state == "open"]
    if open_ or not findings:
        return "wait", unsure(open_) if open_ else "nothing is known yet", _reasons(open_) or "no request was counted"
    where = "to be promoted" if toward >= 100 else f"to get {toward:g} % of traffic"
    return "pass", f"safe {where}", _reasons(findings)


def _reasons(findings: Iterable[SignalResult]) -> str:
    return "; ".join(finding.reason for finding in findings)


def _harmful(finding: SignalResult) -> bool:
    return finding.state == "harm"


def _deadline_reason(rollout: Rollout, reason: str, findings: Sequence[SignalResult]) -> str:
    needs = [f"{number(finding.enough)} for {finding.name}" for finding in findings if finding.enough is not None]
    hint = f". About this many canary observations would have been enough: {', '.join(needs)}" if needs else ""
    deadline = f"{rollout.deadline_minutes:g} minutes"
    return f"no decision within the deadline of {deadline}, for want of evidence ({reason}){hint}"
