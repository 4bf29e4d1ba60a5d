"""The first words of a verdict's reason: what was decided and why, for people who read no further."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.judge.statistics.signal_result import SignalResult
from services.judge.statistics.wording import amount, number

#: A headline is no longer than this, so that it fits on one line of a list, a chat or a commit.
MOST_CHARACTERS: Final = 120
_NAMES: Final = {
    "error_ratio": "errors",
    "slow_ratio": "slow answers",
    "score_shift": "scores",
    "label_loss": "wrong answers",
    "lost_ratio": "lost requests",
}


def failed(harms: Sequence[SignalResult]) -> str:
    """The first harm with its numbers, and the names of the others."""
    others = [_NAMES[finding.name] for finding in harms[1:]]
    return _harm(harms[0]) + (f", also {_listed(others)}" if others else "")


def unsure(findings: Sequence[SignalResult]) -> str:
    """The signals about which too little is known."""
    return f"not sure yet about {_listed([_NAMES[finding.name] for finding in findings])}"


def context(seconds: float, weight: float, findings: Sequence[SignalResult]) -> str:
    """How long the canary had traffic, its share, and its requests a second; empty while it has had none."""
    answered = max((finding.canary_observations for finding in findings), default=0.0)
    if seconds <= 0 or not weight:
        return ""
    rate = f", {answered / seconds:,.1f} requests a second" if answered else ""
    return f". After {_time(seconds)}, with {weight:g} % of the traffic{rate}"


def _harm(finding: SignalResult) -> str:
    ours, theirs = amount(finding, finding.canary), amount(finding, finding.champion)
    margin = f"(margin {amount(finding, finding.margin)})"
    if finding.name == "score_shift":
        return f"its scores are shifted by {amount(finding, finding.excess)} {margin}"
    if finding.name == "label_loss":
        return f"it is wrong more often, with a loss of {ours} against {theirs} {margin}"
    if finding.name == "lost_ratio":
        return f"{ours} of its requests are lost {margin}"
    return f"too many {_NAMES[finding.name]}: {ours} against {theirs} {margin}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{number(seconds // 60)} min {seconds % 60:.0f} s" if seconds < 6000 else f"{seconds / 3600:.1f} hours"
