"""Words a signal's result as one plain sentence with its numbers."""

from __future__ import annotations

from services.judge.evidence.counts import GatewayTold
from services.judge.statistics.signal_result import SignalResult
from services.judge.statistics.signals import LOST

#: For each signal, what a side without observations lacks; it completes "the canary has ... yet".
NOTHING = {
    "error_ratio": "answered no request",
    "slow_ratio": "answered no request",
    "score_shift": "answered no score",
    "label_loss": "no label come back",
}


def sentence(finding: SignalResult) -> str:
    """The observation and what it shows; without a full stop, so that sentences can be joined."""
    return "; ".join(filter(None, (_seen(finding), _shown(finding), finding.note)))


def gateway_words(gateway: GatewayTold, canary: float, champion: float) -> str:
    """A clause on the requests that the gateway answered itself; empty where there is none to tell."""
    if gateway == "silent":
        return "; the gateway does not tell which requests it answered itself"
    unsaid = "; it does not tell which it had no replica for" if gateway == "in part" else ""
    if not canary and not champion:
        return unsaid.replace("; it", "; the gateway")
    return (
        f"; the gateway answered {number(canary)} of the canary's requests and {number(champion)} of the champion's"
        f" itself, because they were refused, cut off, not answered in time or had no replica to go to{unsaid}"
    )


def number(value: float) -> str:
    """A count as text for people."""
    return f"{value:,.0f}"


def objective(times: str | None) -> str:
    """A threshold of latency, a multiple of the objective, in words; by default the objective itself."""
    return "the objective" if times in (None, "1") else f"{times} x the objective"


def percent(ratio: float) -> str:
    """A ratio in percent, with enough digits to tell it from a margin."""
    return f"{100 * ratio:.{1 if abs(ratio) >= 0.01 else 2}f} %"


def amount(finding: SignalResult, value: float | None) -> str:
    """A ratio in percent or a loss as a number, with enough digits to tell it from the margin."""
    if value is None:
        return "unknown"
    return f"{value:.3f}" if finding.name == "label_loss" else percent(value)


def _seen(finding: SignalResult) -> str:
    if finding.name == LOST:
        return _arrived(finding)
    n_c, n_b = number(finding.canary_observations), number(finding.champion_observations)
    canary, champion = amount(finding, finding.canary), amount(finding, finding.champion)
    if finding.name == "label_loss":
        loss = finding.loss or "Brier loss"
        return (
            f"the canary's {loss} over {n_c} labelled answers is {canary} against {champion} over the champion's {n_b}"
        )
    if finding.name == "score_shift":
        said = f"are {finding.answer_class!r}" if finding.answer_class else f"score at or below {finding.edge:g}"
        return (
            f"{canary} of the canary's {n_c} answers {said} against {champion}"
            f" of the champion's {n_b}, a shift of {amount(finding, finding.excess)} beyond what the hold-out showed"
        )
    what = "ended in an error" if finding.name == "error_ratio" else f"were slower than {objective(finding.times)}"
    return f"{canary} of the canary's {n_c} requests {what} against {champion} of the champion's {n_b}"


def _arrived(finding: SignalResult) -> str:
    total = finding.canary_observations + finding.champion_observations
    share = finding.canary_observations / max(total, 1.0)
    lost = f"{amount(finding, max(finding.excess or 0.0, 0.0))} of its requests were counted nowhere"
    return f"the canary got {share:.1%} of {number(total)} requests that arrived at either version, so {lost}"


def _shown(finding: SignalResult) -> str:
    noun = {"score_shift": "shift", LOST: "loss"}.get(finding.name, "excess")
    if finding.alone is not None:
        return f"that is due to one replica alone, {finding.alone}; the others do not show it"
    if finding.state == "harm":
        margin = amount(finding, finding.margin)
        return f"the {noun} is at least {amount(finding, finding.lower)}{_where(finding)}, the margin is {margin}"
    allowed = _allowed(finding)
    if finding.too_few_here is not None:
        here = f"{number(finding.too_few_here)} at {finding.weight:g} % of the traffic are too few"
        return f"over all weights the {noun} is at most {amount(finding, finding.upper)}, but {here}"
    if finding.state == "safe":
        return f"the {noun} is at most {amount(finding, finding.upper)}, {allowed}"
    bound = "is not bounded yet" if finding.upper is None else f"may still be {amount(finding, finding.upper)}"
    return f"too little traffic: the {noun} {bound}, {allowed}"


def _allowed(finding: SignalResult) -> str:
    """What the next share of the traffic allows: callers as a whole then meet no more harm than the margin."""
    allowed, margin = amount(finding, finding.allowed), amount(finding, finding.margin)
    return f"the margin is {margin}" if allowed == margin else f"{allowed} is allowed there (margin {margin} / share)"


def _where(finding: SignalResult) -> str:
    """The weight that shows the harm, where all weights together would look safe."""
    if finding.worst_weight is None or finding.lower is None or finding.upper is None or finding.lower < finding.upper:
        return ""
    there, most = amount(finding, finding.worst_excess), amount(finding, finding.upper)
    return (
        f" at {finding.worst_weight:g} % of the traffic ({there} there), though over all weights it is at most {most}"
    )
