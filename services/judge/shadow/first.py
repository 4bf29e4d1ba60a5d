"""Strategy shadow-then-canary: what the shadow judges before the first weight, and what is left for the canary.

The shadow gets `SHADOW_SHARE` of `false_alarm` and the canary the rest, so that both together hold it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from components.spec.contract import SCORE_EDGES, Rollout
from services.judge.evidence.counts import Evidence
from services.judge.shadow.report import SlicePart, not_answered, not_answered_sentence
from services.judge.shadow.series import InShadow
from services.judge.statistics.paired import paired_findings
from services.judge.statistics.reference import Reference, reference
from services.judge.statistics.signal_result import SignalResult
from services.judge.verdict import Decision, Verdict, judge, next_weight

#: Pairs need so few requests that a smaller share costs them little.
SHADOW_SHARE: Final = 0.2
#: The part of the shadow's share that the copies without an answer get.
_NOT_ANSWERED: Final = 1 / 3


def canary_verdict(evidence: Evidence, rollout: Rollout, toward: float | None = None) -> Verdict:
    """The verdict on a canary that passed the shadow: on errors and latency alone."""
    return after_shadow(judge(evidence, canary_rollout(rollout), toward), rollout)


def canary_rollout(rollout: Rollout) -> Rollout:
    """The settings of the canary that follows the shadow: without scores and labels, at the level that is left."""
    harm = rollout.harm.model_copy(update={"score_shift": None, "label_loss": None})
    level = rollout.false_alarm * (1 - SHADOW_SHARE)
    return rollout.model_copy(update={"strategy": "canary", "harm": harm, "false_alarm": level})


def after_shadow(verdict: Verdict, rollout: Rollout) -> Verdict:
    """The verdict on a canary, with a reason that says what was judged in the shadow."""
    judged = " and ".join(name for name in ("score_shift", "label_loss") if getattr(rollout.harm, name) is not None)
    told = f". {judged}: judged in the shadow before the first weight"
    return verdict if verdict.reason.endswith(told) else replace(verdict, reason=verdict.reason + told)


def verdict_without_copies(evidence: Evidence, rollout: Rollout, toward: float | None = None) -> Verdict:
    """The verdict where the champion sends no copies, as under strategy canary: on every signal."""
    verdict = judge(evidence, rollout, toward)
    told = (
        "the champion was started under another strategy and sends no copies, so this one is judged as a canary alone"
    )
    return replace(verdict, reason=f"{verdict.reason}. There was no shadow: {told}")


def shadow_verdict(evidence: Evidence, shadow: InShadow, version: str, rollout: Rollout) -> Verdict:
    """The verdict on the first weight of a canary that has only got copies; `version` is the one asked about.

    `evidence` tells whether both sides can be read, and what the hold-out showed.
    """
    toward, deadline = next_weight(0.0, rollout), rollout.deadline_minutes * 60
    if version and shadow.version != version:
        # What is known is about an earlier candidate.
        shadow = InShadow(problems=(*shadow.problems, f"version {version} has not been seen in the shadow yet"))
    level = rollout.false_alarm * SHADOW_SHARE
    compared = reference(evidence, rollout.harm.score_shift)
    paired = paired_findings(
        rollout.harm, shadow.seen.pairs, compared.holdout, level * (1 - _NOT_ANSWERED), rollout.false_alarm
    )
    findings = [_with_callers(finding, compared) for finding in paired]
    failed = not_answered(shadow.seen, rollout, level * _NOT_ANSWERED)
    if failed.state == "beyond":
        findings.append(_failing(failed, level * _NOT_ANSWERED))
    problems = [*shadow.problems, *evidence.problems, *evidence.contradictions()]
    decision, reason = _decide(findings, problems, toward)
    if decision == "wait" and shadow.elapsed_seconds >= deadline:
        told = f"{rollout.deadline_minutes:g} minutes in the shadow"
        decision, reason = "undecided", f"no decision within the deadline of {told}, for want of evidence ({reason})"
    return Verdict(
        decision, f"{decision}: {reason}", 0.0, toward, shadow.elapsed_seconds, deadline,
        may_start=False, findings=tuple(findings),
    )  # fmt: skip


def _with_callers(finding: SignalResult, compared: Reference) -> SignalResult:
    """The finding with what is known of its callers, where they are not those of the hold-out."""
    told = finding if finding.edge is None else compared.told(finding, SCORE_EDGES.index(finding.edge))
    return replace(told, reason=f"{told.reason}; {told.note}") if told.note else told


def _decide(findings: list[SignalResult], problems: list[str], toward: float) -> tuple[Decision, str]:
    by_state = {
        state: [each.reason for each in findings if each.state == state] for state in ("harm", "no data", "open")
    }
    if by_state["harm"]:
        return "fail", "in the shadow, " + "; ".join(by_state["harm"])
    lacking = problems or by_state["no data"] or by_state["open"]
    if lacking:
        return "wait", "in the shadow, " + "; ".join(lacking)
    return "pass", f"safe in the shadow, may get {toward:g} % of traffic: " + "; ".join(
        each.reason for each in findings
    )


def _failing(failed: SlicePart, level: float) -> SignalResult:
    """The finding of a candidate that does not answer copies as it should."""
    return SignalResult(
        name="error_ratio", state="harm", reason=not_answered_sentence(failed), margin=failed.margin or 0.0,
        allowed=failed.margin or 0.0, canary_observations=failed.total, canary=failed.ratio, lower=failed.lower,
        upper=failed.upper, e_harm=1 / level, e_harm_needed=1 / level,
    )  # fmt: skip
