"""Turns the counts of a shadow candidate into a verdict: a pure function.

Half of `false_alarm` belongs to the ratios, of which each gets an equal part (Bonferroni; slices overlap, so nothing
sharper is sure to hold), and half to the paired signals, scores and labels; without one of the two the other has it
all. So a candidate that is no worse fails with a probability of at most `false_alarm`, however often one looks.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from components.spec.contract import Rollout
from services.judge.shadow.ratio import interval, log_evidence
from services.judge.shadow.reading import NOTHING_SEEN, ReplicaCounts
from services.judge.statistics.paired import paired_findings
from services.judge.statistics.signal_result import SignalResult
from services.judge.verdict import Decision

State = Literal["beyond", "open", "within", "not seen", "not judged"]
#: The failures that count against the candidate; an unreachable candidate may have other causes.
_COUNTED_FAILURES: Final = ("timeout", "status", "answer")
_ORDER: Final[dict[State, int]] = {"beyond": 0, "open": 1, "within": 2, "not judged": 3, "not seen": 4}
#: Number of slices that a sentence names.
_NAMED: Final = 3


@dataclass(frozen=True)
class SlicePart:
    """One ratio: its counts, the interval of the true ratio, and the interval's side of the margin (`state`).

    Without a margin it is shown, and not judged.
    """

    name: str
    total: float
    hits: float
    lower: float
    upper: float
    margin: float | None
    state: State

    @property
    def ratio(self) -> float | None:
        """The observed ratio; None without any request."""
        return self.hits / self.total if self.total else None


@dataclass(frozen=True)
class ShadowReport:
    """The verdict on a shadow candidate.

    `slices` begins with those whose difference is most certain; `findings` are the paired signals.
    """

    service: str
    champion: str
    candidate: str
    verdict: Decision
    reason: str
    whole: SlicePart
    failed: SlicePart
    slices: tuple[SlicePart, ...]
    unreachable: float
    dropped: float
    findings: tuple[SignalResult, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        document = asdict(self)
        parts = [document["whole"], document["failed"], *document["slices"]]
        for part, source in zip(parts, (self.whole, self.failed, *self.slices), strict=True):
            part["ratio"] = source.ratio
        return document


def shadow_report(service: str, seen: ReplicaCounts | None, rollout: Rollout) -> ShadowReport:
    """The report on the candidate that the champion asks; without any answer the verdict is wait."""
    seen = seen or NOTHING_SEEN
    margin, harm = rollout.shadow.different_ratio, rollout.harm
    paired = harm.score_shift is not None or harm.label_loss is not None
    level = rollout.false_alarm / (2 if paired else 1) / (2 + len(seen.slices))
    whole = _part("all requests", seen.whole.different, seen.whole.total, margin, level)
    failed = not_answered(seen, rollout, level)
    slices = [
        _part(f"{feature}={value or '(missing)'}", compared.different, compared.total, margin, level)
        for (feature, value), compared in seen.slices.items()
    ]
    slices.sort(key=_rank)
    findings = paired_findings(harm, seen.pairs, seen.holdout, rollout.false_alarm / 2, rollout.false_alarm)
    verdict, reason = _decide(whole, failed, slices, findings, seen.doubt)
    return ShadowReport(
        service, seen.champion, seen.candidate, verdict, f"{verdict}: {reason}", whole, failed, tuple(slices),
        seen.failed.get("unreachable", 0.0), seen.dropped, tuple(findings),
    )  # fmt: skip


def not_answered(seen: ReplicaCounts, rollout: Rollout, level: float) -> SlicePart:
    """The share of copies that the candidate did not answer as it should, against the margin of errors."""
    failures = sum(seen.failed.get(reason, 0.0) for reason in _COUNTED_FAILURES)
    return _part("not answered", failures, failures + seen.whole.total, rollout.harm.error_ratio, level)


def _part(name: str, hits: float, total: float, margin: float | None, level: float) -> SlicePart:
    lower, upper = interval(hits, total, level)
    state: State = "open"
    if not total:
        state = "not seen"
    elif margin is None:
        state = "not judged"
    elif lower > margin:
        state = "beyond"
    elif upper <= margin:
        state = "within"
    return SlicePart(name, total, hits, lower, upper, margin, state)


def _rank(part: SlicePart) -> tuple[int, float]:
    if part.state == "beyond" and part.margin is not None:
        return _ORDER[part.state], -log_evidence(part.hits, part.total, part.margin)
    return _ORDER[part.state], -(part.ratio or 0.0)


def _decide(
    whole: SlicePart, failed: SlicePart, slices: list[SlicePart], findings: list[SignalResult], doubt: str
) -> tuple[Decision, str]:
    harms = [*_beyond(failed, [*slices, whole] if slices else [whole]), *_in_state(findings, "harm")]
    if harms:
        return "fail", "; ".join(harms)
    if not whole.total:
        return "wait", "the candidate has answered nothing yet"
    lacking = [doubt] if doubt else _in_state(findings, "no data")
    unsure = [*lacking, *_unsure([failed, whole, *slices]), *_in_state(findings, "open")]
    if unsure:
        return "wait", "; ".join(unsure)
    ratios = f"every slice is within its margin: {_sentence(whole, _DIFFERENTLY)}"
    if whole.margin is None:
        ratios = f"{percent(whole.ratio or 0.0)} of {whole.total:,.0f} requests {_DIFFERENTLY}, which is not judged"
    return "pass", "; ".join([ratios, *_in_state(findings, "safe")])


def _in_state(findings: list[SignalResult], state: str) -> list[str]:
    return [finding.reason for finding in findings if finding.state == state]


def _beyond(failed: SlicePart, parts: list[SlicePart]) -> list[str]:
    """The ratios that show harm: failed requests say it all, otherwise the surest slices."""
    if failed.state == "beyond":
        return [not_answered_sentence(failed)]
    beyond = [_sentence(part, _DIFFERENTLY) for part in parts if part.state == "beyond"]
    more = [f"and {len(beyond) - _NAMED} more"] if len(beyond) > _NAMED else []
    return [*beyond[:_NAMED], *more]


def _unsure(parts: list[SlicePart]) -> list[str]:
    unsure = [part for part in parts if part.state == "open"]
    if not unsure:
        return []
    first = min(unsure, key=lambda part: part.total)
    return [
        f"too little traffic for {len(unsure)} of {len(parts)} ratios, least for {first.name}: after"
        f" {first.total:,.0f} requests it may be {percent(first.upper)}, the margin is {_margin(first)}"
    ]


_DIFFERENTLY: Final = "were answered differently"


def not_answered_sentence(failed: SlicePart) -> str:
    """What is said of copies that were not answered."""
    return _sentence(failed, "were not answered by the candidate as they should")


def _sentence(part: SlicePart, what: str) -> str:
    bound = f"at least {percent(part.lower)}" if part.state == "beyond" else f"at most {percent(part.upper)}"
    return (
        f"{part.name}: {percent(part.ratio or 0.0)} of {part.total:,.0f} requests {what}, {bound} in truth;"
        f" the margin is {_margin(part)}"
    )


def _margin(part: SlicePart) -> str:
    return "none" if part.margin is None else percent(part.margin)


def percent(ratio: float) -> str:
    """A ratio as text in percent."""
    return f"{100 * ratio:.{1 if ratio >= 0.1 else 2}f} %"
