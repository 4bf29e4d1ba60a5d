"""Turns the counts of a shadow candidate into a verdict: a pure function.

All intervals together hold at every look, except with a probability of `false_alarm`, of which each gets an
equal part (Bonferroni; slices overlap, so nothing sharper is sure to hold).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from components.spec.contract import Rollout
from services.judge.shadow.ratio import interval, log_evidence
from services.judge.shadow.reading import Compared, ReplicaCounts
from services.judge.verdict import Decision

State = Literal["beyond", "open", "within", "not seen"]
#: The failures that count against the candidate; an unreachable candidate may have other causes.
_COUNTED_FAILURES: Final = ("timeout", "status", "answer")
_ORDER: Final[dict[State, int]] = {"beyond": 0, "open": 1, "within": 2, "not seen": 3}
#: Number of slices that a sentence names.
_NAMED: Final = 3


@dataclass(frozen=True)
class SlicePart:
    """One ratio: its counts, the interval of the true ratio, and the interval's side of the margin (`state`)."""

    name: str
    total: float
    hits: float
    lower: float
    upper: float
    margin: float
    state: State

    @property
    def ratio(self) -> float | None:
        """The observed ratio; None without any request."""
        return self.hits / self.total if self.total else None


@dataclass(frozen=True)
class ShadowReport:
    """The verdict on a shadow candidate. `slices` begins with those whose difference is most certain."""

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

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        document = asdict(self)
        parts = [document["whole"], document["failed"], *document["slices"]]
        for part, source in zip(parts, (self.whole, self.failed, *self.slices), strict=True):
            part["ratio"] = source.ratio
        return document


def shadow_report(service: str, seen: ReplicaCounts | None, rollout: Rollout) -> ShadowReport:
    """The report on the candidate that the champion asks; without any answer the verdict is wait."""
    seen = seen or ReplicaCounts("", "", Compared(), {}, {}, 0.0)
    level = rollout.false_alarm / (2 + len(seen.slices))
    margin, failure_margin = rollout.shadow.different_ratio, rollout.harm.error_ratio or rollout.shadow.different_ratio
    failures = sum(seen.failed.get(reason, 0.0) for reason in _COUNTED_FAILURES)
    whole = _part("all requests", seen.whole.different, seen.whole.total, margin, level)
    failed = _part("not answered", failures, failures + seen.whole.total, failure_margin, level)
    slices = [
        _part(f"{feature}={value or '(missing)'}", compared.different, compared.total, margin, level)
        for (feature, value), compared in seen.slices.items()
    ]
    slices.sort(key=_rank)
    verdict, reason = _decide(whole, failed, slices)
    return ShadowReport(
        service, seen.champion, seen.candidate, verdict, f"{verdict}: {reason}", whole, failed, tuple(slices),
        seen.failed.get("unreachable", 0.0), seen.dropped,
    )  # fmt: skip


def _part(name: str, hits: float, total: float, margin: float, level: float) -> SlicePart:
    lower, upper = interval(hits, total, level)
    state: State = "open"
    if not total:
        state = "not seen"
    elif lower > margin:
        state = "beyond"
    elif upper <= margin:
        state = "within"
    return SlicePart(name, total, hits, lower, upper, margin, state)


def _rank(part: SlicePart) -> tuple[int, float]:
    if part.state == "beyond":
        return _ORDER[part.state], -log_evidence(part.hits, part.total, part.margin)
    return _ORDER[part.state], -(part.ratio or 0.0)


def _decide(whole: SlicePart, failed: SlicePart, slices: list[SlicePart]) -> tuple[Decision, str]:
    parts = [*slices, whole] if slices else [whole]
    beyond = [part for part in parts if part.state == "beyond"]
    if failed.state == "beyond":
        return "fail", _sentence(failed, "were not answered by the candidate as they should")
    if beyond:
        more = f"; and {len(beyond) - _NAMED} more" if len(beyond) > _NAMED else ""
        return "fail", "; ".join(_sentence(part, _DIFFERENTLY) for part in beyond[:_NAMED]) + more
    if not whole.total:
        return "wait", "the candidate has answered nothing yet"
    unsure = [part for part in (failed, whole, *slices) if part.state == "open"]
    if unsure:
        first = min(unsure, key=lambda part: part.total)
        return "wait", (
            f"too little traffic for {len(unsure)} of {len(slices) + 2} ratios, least for {first.name}: after"
            f" {first.total:,.0f} requests it may be {percent(first.upper)}, the margin is {percent(first.margin)}"
        )
    return "pass", f"every slice is within its margin: {_sentence(whole, _DIFFERENTLY)}"


_DIFFERENTLY: Final = "were answered differently"


def _sentence(part: SlicePart, what: str) -> str:
    bound = f"at least {percent(part.lower)}" if part.state == "beyond" else f"at most {percent(part.upper)}"
    return (
        f"{part.name}: {percent(part.ratio or 0.0)} of {part.total:,.0f} requests {what}, {bound} in truth;"
        f" the margin is {percent(part.margin)}"
    )


def percent(ratio: float) -> str:
    """A ratio as text in percent."""
    return f"{100 * ratio:.{1 if ratio >= 0.1 else 2}f} %"
