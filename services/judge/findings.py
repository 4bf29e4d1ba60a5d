"""Assesses every signal of a rollout: the numbers on which a verdict is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from components.spec.contract import Rollout
from services.judge.evidence.counts import WORDS, Evidence, Outlier, Stratum
from services.judge.lost_finding import lost_finding
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
from services.judge.statistics.reference import Reference, reference
from services.judge.statistics.signal_result import SignalResult, State, clipped
from services.judge.statistics.signals import LatencySignal, Signal, judged_signals
from services.judge.statistics.wording import NOTHING, gateway_words, sentence


def findings_of(evidence: Evidence, rollout: Rollout, toward: float) -> list[SignalResult]:
    """One result for each signal of the spec, on `toward` percent of the traffic."""
    # A margin for shifts within the objective cannot be held without the thresholds, so their lack is no data then.
    known = rollout.harm.latency_shift is not None or not sides_without(evidence.strata)
    margin = rollout.harm.score_shift
    compared = reference(evidence, margin)
    signals = judged_signals(rollout.harm, rollout.false_alarm, compared.holdout, thresholds=known)
    late = evidence.elapsed_seconds >= rollout.deadline_minutes * 60
    findings = [_finding(signal, evidence, rollout, toward / 100, compared, late) for signal in signals]
    if margin is not None and evidence.holdout is None:
        reason = "score_shift cannot be judged: what the hold-out showed between the two versions is missing"
        findings.append(SignalResult("score_shift", "no data", reason, margin, min(1.0, margin / toward * 100)))
    if rollout.harm.lost_ratio is not None:
        findings.append(lost_finding(evidence, rollout, rollout.harm.lost_ratio, toward / 100))
    return findings


def _finding(
    signal: Signal, evidence: Evidence, rollout: Rollout, share: float, compared: Reference, late: bool
) -> SignalResult:
    by_weight = _arms(signal, evidence.strata)
    strata = list(by_weight.values())
    allowed = allowed_excess(signal, share)
    lack = _lack(signal, strata)
    if lack:
        hint = observations_needed(signal, strata, rollout.false_alarm) if late and "missing" not in lack else None
        return SignalResult(signal.name, "no data", lack, signal.margin, allowed, enough=hint)
    state, unsure = _state(signal, by_weight, evidence.weight, share, rollout.false_alarm)
    alone = _decides_alone(signal, evidence, state, share, rollout.false_alarm) if state in ("harm", "safe") else None
    state = state if alone is None else "open"
    worst = _worst(signal, by_weight)
    measured, mean = _measured(signal, strata, state, allowed, rollout.false_alarm)
    finding = replace(
        measured,
        weight=evidence.weight,
        too_few_here=None if unsure is None else _observed(unsure),
        worst_weight=worst[0],
        worst_excess=worst[1],
        alone=None if alone is None else f"{alone.name} of the {alone.side}",
    )
    if isinstance(signal, LatencySignal):
        within = list(_arms(within_objective(signal), evidence.strata).values())
        finding = with_thresholds(finding, signal, strata, within, rollout.false_alarm)
    elif signal.name == "slow_ratio":
        finding = replace(finding, note=made_before(sides_without(evidence.strata)))
    elif signal.name == "score_shift":
        finding = compared.told(finding, signal.bin_of(mean))
    if signal.name == "label_loss" and evidence.answers != WORDS:
        finding = replace(finding, loss=evidence.answers.loss)
    finding = replace(finding, reason=sentence(finding))
    hint = _enough(signal, strata, unsure, rollout.false_alarm) if late and state == "open" else None
    finding = _with_gateway(finding, evidence) if signal.name == "error_ratio" else finding
    return replace(finding, reason=finding.reason + _one_replica(finding, evidence), enough=hint)


def _state(
    signal: Signal, by_weight: Mapping[float, Arms], weight: float, share: float, false_alarm: float
) -> tuple[State, Arms | None]:
    """What the evidence shows; and the weight's own counts, if they are all that is missing for safety."""
    strata = list(by_weight.values())
    if is_harm(signal, strata)[0]:
        return "harm", None
    if not is_safe(signal, strata, share, false_alarm)[0]:
        return "open", None
    here = _here(by_weight, weight)
    if here is None or is_safe_alone(signal, here, share)[0]:
        return "safe", None
    return "open", here


def _decides_alone(
    signal: Signal, evidence: Evidence, state: State, share: float, false_alarm: float
) -> Outlier | None:
    """The replica without which the evidence would not show the same; None if there is none such."""
    for outlier in evidence.outliers:
        if outlier.signal == signal.name:
            others = _arms(signal, outlier.strata)
            lack = _lack(signal, list(others.values()))
            if lack or _state(signal, others, evidence.weight, share, false_alarm)[0] != state:
                return outlier
    return None


def _with_gateway(finding: SignalResult, evidence: Evidence) -> SignalResult:
    """The result of errors with what the gateway tells; nothing is safe if it told that once and does no more."""
    if evidence.gateway == "lost" and finding.state in ("safe", "open"):
        lost = (
            "error_ratio cannot be judged: the gateway, or one of its replicas, does not tell any more which requests"
            " it answered itself"
        )
        return replace(finding, state="no data", reason=lost)
    champion, canary = (sum(stratum.gave_up[side] for stratum in evidence.strata) for side in (0, 1))
    return replace(
        finding,
        reason=finding.reason + gateway_words(evidence.gateway, canary, champion),
        gave_up=(canary, champion) if evidence.gateway in ("told", "in part") else None,
    )


def _one_replica(finding: SignalResult, evidence: Evidence) -> str:
    """A clause for errors and slow answers of a version with one replica, which may have a bad node; else empty."""
    if finding.state != "harm" or evidence.replicas[1] != 1 or finding.name not in ("error_ratio", "slow_ratio"):
        return ""
    return "; the canary has one replica, so a bad node cannot be told from a bad version"


def _enough(signal: Signal, strata: Sequence[Arms], unsure: Arms | None, false_alarm: float) -> float | None:
    """About how many canary observations would promote; `unsure` is the weight whose own are all that is missing."""
    if unsure is None:
        return observations_needed(signal, strata, false_alarm)
    needed = observations_needed(signal, [unsure], ALONE)
    return None if needed is None else sum(map(_observed, strata)) - _observed(unsure) + needed


def _observed(arms: Arms) -> float:
    """The number of the canary's observations."""
    return float(arms.canary[0, 0].sum())


def _arms(signal: Signal, strata: Iterable[Stratum]) -> dict[float, Arms]:
    """The signal's arms by the weight in percent, where there are two sides to compare; a missing metric stays NaN."""
    found = {}
    for stratum in strata:
        if 0 < stratum.weight < 100:
            whole = stratum.champion, stratum.canary
            pairs = (stratum.for_harm or whole, stratum.for_safety or whole, *stratum.later)
            share = _share(signal, stratum) / 100
            tables = [(share, canary.vector()[None], champion.vector()[None]) for champion, canary in pairs]
            harm, safe, *later = stack_arms(signal, tables)
            found[stratum.weight] = replace(harm, later=tuple(later), safe=safe)
    return found


def _share(signal: Signal, stratum: Stratum) -> float:
    """The canary's share in percent of the signal's observations, as the traffic was divided."""
    labelled = stratum.labelled if signal.name == "label_loss" else None
    return labelled or stratum.share or stratum.weight


def _here(by_weight: Mapping[float, Arms], weight: float) -> Arms | None:
    """The current weight's arms, empty if nothing was counted at it yet; None at a weight with only one side."""
    if not by_weight or not 0 < weight < 100:
        return None
    none = np.zeros_like(next(iter(by_weight.values())).canary)
    return by_weight.get(weight, Arms(weight / 100, none, none))


def _lack(signal: Signal, strata: Sequence[Arms]) -> str:
    """The reason why a signal cannot be judged at all; empty if it can."""
    for side in ("canary", "champion"):
        counts = [getattr(arms, side) for arms in strata]
        if any(np.isnan(table).any() for table in counts):
            return f"{signal.name} cannot be judged: the {side}'s counters for it are missing"
        if sum(float(table.sum()) for table in counts) == 0:
            return f"{signal.name} cannot be judged: the {side} has {NOTHING[signal.name]} yet"
    return ""


def _worst(signal: Signal, by_weight: Mapping[float, Arms]) -> tuple[float, float] | tuple[None, None]:
    """The weight with the largest excess, and that excess; None for latency, whose thresholds are told on their own."""
    if isinstance(signal, LatencySignal):
        return None, None
    excesses = {}
    for weight, arms in by_weight.items():
        canary, champion = (mean[0] for mean in signal.means([arms]))
        beyond = canary - champion - np.array(signal.centres)
        excess = np.max(np.abs(beyond) if signal.two_sided else beyond)
        if np.isfinite(excess):
            excesses[weight] = float(excess)
    return max(excesses.items(), key=lambda each: each[1]) if excesses else (None, None)


def _measured(
    signal: Signal, strata: Sequence[Arms], state: State, allowed: float, false_alarm: float
) -> tuple[SignalResult, int]:
    """The numbers of a signal, and the worst of its means, which they are of."""
    canary, champion = (mean[0] for mean in signal.means(strata))
    beyond = canary - champion - np.array(signal.centres)
    at = int(np.argmax(np.abs(beyond) - np.array(signal.allowances))) if signal.two_sided else 0
    lower, upper = interval(signal, strata, false_alarm)
    edge, answer_class = signal.named(at)
    found = SignalResult(
        name=signal.name, state=state, reason="", margin=signal.margin, allowed=allowed,
        canary_observations=sum(map(_observed, strata)),
        champion_observations=sum(float(arms.champion[0, 0].sum()) for arms in strata),
        canary=float(canary[at]), champion=float(champion[at]), excess=float(beyond[at]), lower=lower, upper=upper,
        e_harm=clipped(signal.log_harm(strata, signal.margin)[0]), e_harm_needed=1 / signal.false_alarm,
        e_safe=clipped(signal.log_safe(strata, allowed)[0]), e_safe_needed=1 / false_alarm,
        edge=edge, answer_class=answer_class,
    )  # fmt: skip
    return found, at
