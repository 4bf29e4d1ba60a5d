"""Draws how the judge's intervals closed in on the margin: one plot for each signal of each canary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from pydantic import ValidationError

from k8s.report.svg import Axis, Drawing, Panel, Point, as_steps
from k8s.report.words import SIGNALS, amount, colour_of, count, number, percent
from k8s.twin.report.record import EventLine, Judged, Look, MissingPartError, SignalLine
from k8s.twin.report.story import trip_of

_WIDTH, _HEIGHT = 342.0, 232.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 8.0, 20.0, 44.0


#: Seconds since the canary's first traffic, and the judge's knowledge at that moment.
Sight = tuple[float, SignalLine]


@dataclass(frozen=True)
class SignalPlot:
    """One signal of one canary: a sentence that sums up the plot, the plot, and the counts behind it."""

    heading: str
    title: str
    plot: Markup
    counts: str


@dataclass(frozen=True)
class RolloutTrial:
    """The evidence about one canary."""

    version: str
    seconds: float
    plots: tuple[SignalPlot, ...]


def with_decisions(looks: Sequence[Look], events: Sequence[EventLine]) -> list[Look]:
    """The recorded looks and the looks on which the rollout acted, in order of time.

    Raises:
        MissingPartError: the evidence of an event is not a verdict.
    """
    acted = [event for event in events if event.kind == "decision" and "signals" in event.evidence]
    try:
        added = [
            Look(at=e.at, version=e.version, weight=e.weight, verdict=Judged.model_validate(e.evidence)) for e in acted
        ]
    except ValidationError as error:
        raise MissingPartError(f"An event's evidence is no verdict: {error.errors()[0]['msg']}.") from error
    return sorted([*looks, *added], key=lambda look: look.at)


def trials(looks: Sequence[Look], events: Sequence[EventLine]) -> list[RolloutTrial]:
    """A trial for each version that was judged, in order of time.

    Raises:
        MissingPartError: the judge was never asked.
    """
    versions = list(dict.fromkeys(look.version for look in looks))
    if not versions:
        raise MissingPartError("No canary got traffic, so the judge had nothing to weigh.")
    return [_trial([look for look in looks if look.version == version], events) for version in versions]


def _trial(looks: list[Look], events: Sequence[EventLine]) -> RolloutTrial:
    """The evidence about one canary; signals that showed harm come first."""
    version = looks[0].version
    trip = trip_of(version, events)
    start = trip.start if trip else looks[0].at - 1
    seen: dict[str, list[Sight]] = {}
    for look in looks:
        for finding in look.verdict.signals:
            seen.setdefault(finding.name, []).append((look.at - start, finding))
    ordered = sorted(seen.values(), key=lambda sights: sights[-1][1].state != "harm")
    plots = tuple(_signal_plot(sights, colour_of(version)) for sights in ordered)
    return RolloutTrial(version, looks[-1].at - start, plots)


def _signal_plot(seen: list[Sight], colour: str) -> SignalPlot:
    last = seen[-1][1]
    heading, measured = SIGNALS.get(last.name, (last.name, last.name))
    measured = measured.format(loss=last.loss_name, truth="truth" if last.loss else "true label")
    if last.times is not None:
        # Each threshold of latency has its own margin and shares, so only looks at the one that decided are drawn.
        seen = [sight for sight in seen if sight[1].times == last.times]
        measured = measured if last.times == "1" else f"requests slower than {last.times} x the objective"
    return SignalPlot(heading, _title(last), _draw(seen, _title(last), colour), _counts(last, measured))


def _title(finding: SignalLine) -> str:
    margin = amount(finding.name, finding.margin)
    if finding.state == "no data":
        return "No evidence came in, so this signal could not speak for the canary"
    if finding.state == "harm" and finding.lower is not None:
        least = amount(finding.name, finding.lower)
        return f"Harm is shown: {_compared(finding)} by at least {least}, and {margin} is the margin"
    if finding.upper is None:
        return f"Left open: nothing was ruled out; the margin is {margin}"
    known = amount(finding.name, finding.upper)
    if finding.upper <= finding.margin:
        return f"Safe: {_compared(finding)} by at most {known}, inside the margin of {margin}"
    if finding.state == "safe":
        return (
            f"Safe for the next step: {_compared(finding)} by at most {known}; the margin for all traffic is {margin}"
        )
    return f"Left open: it might have been {_compared(finding)} by {known}; the margin is {margin}"


def _compared(finding: SignalLine) -> str:
    return "shifted" if finding.name == "score_shift" else "worse"


def _counts(finding: SignalLine, measured: str) -> str:
    sides = (
        f"{count(finding.canary_observations)} of the canary, {count(finding.champion_observations)} of the champion"
    )
    if finding.canary is None or finding.champion is None:
        return f"Measured: {measured}. Seen: {sides}."
    words = number if finding.name == "label_loss" else percent
    at = "" if finding.edge is None else f" at or below a score of {finding.edge:g}"
    at = at if finding.answer_class is None else f" of class {finding.answer_class}"
    return (
        f"Measured: {measured}. Canary {words(finding.canary)}{at}, champion {words(finding.champion)}; seen: {sides}."
    )


def _draw(seen: list[Sight], label: str, colour: str) -> Markup:
    last = seen[-1][1]
    drawing = Drawing(_WIDTH, _HEIGHT, label)
    low, high = _range(seen)
    x = Axis(0, max(seen[-1][0], 1), _LEFT, _WIDTH - _RIGHT)
    panel = Panel(drawing, x, Axis(low, high, _HEIGHT - _BOTTOM, _TOP))
    scale, unit = (1, last.loss_name) if last.name == "label_loss" else (100, "percentage points")
    drawing.text(0, 10, f"canary {_compared(last)} by, {unit}", css="tick")
    drawing.box(x.start, panel.y(high), x.end, panel.y(last.margin), "harm")
    panel.y_axis(lambda value: number(value * scale), about=4)
    panel.x_axis(number, x.time_ticks(5), "seconds since the canary got its first traffic")
    _draw_limits(panel, seen)
    _draw_evidence(panel, seen, colour)
    drawing.text(x.end, panel.y(last.margin) - 6, "margin", css="strong halo", anchor="end")
    return drawing.markup()


def _draw_evidence(panel: Panel, seen: list[Sight], colour: str) -> None:
    """Draws the interval as a band; before the first look nothing is known, so it begins as wide as the plot."""
    known = [(at, finding) for at, finding in seen if finding.excess is not None]
    if not known:
        return
    whole = (0.0, panel.y.low, panel.y.high)
    ends = [
        (at, panel.y.low if f.lower is None else f.lower, panel.y.high if f.upper is None else f.upper)
        for at, f in known
    ]
    panel.band([whole, *ends], colour)
    for bound in ([(at, low) for at, low, _ in ends], [(at, high) for at, _, high in ends]):
        for run in _inside(panel, bound):
            panel.line(run, colour, "line thin")
    estimates = [(at, size(finding)) for at, finding in known]
    panel.line(estimates, colour)
    at, last = estimates[-1]
    panel.drawing.dot(panel.x(at), panel.y(last), colour, radius=3.5)


def _inside(panel: Panel, points: list[Point]) -> list[list[Point]]:
    """The parts of a line that lie inside the plot."""
    parts: list[list[Point]] = [[]]
    for point in points:
        if panel.y.low < point[1] < panel.y.high:
            parts[-1].append(point)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def size(finding: SignalLine) -> float:
    """The excess as compared with the margin: for a shift of scores, either direction is harm."""
    excess = finding.excess or 0.0
    return abs(excess) if finding.is_two_sided else excess


def _draw_limits(panel: Panel, seen: list[Sight]) -> None:
    allowed = [(at, min(finding.allowed, panel.y.high)) for at, finding in seen]
    panel.line(as_steps(allowed, seen[-1][0]), "", "guide")
    if panel.y.low < 0:
        panel.drawing.rule((panel.x.start, panel.y(0)), (panel.x.end, panel.y(0)), "zero")
    height = panel.y(seen[-1][1].margin)
    panel.drawing.rule((panel.x.start, height), (panel.x.end, height), "limit")


def _range(seen: list[Sight]) -> tuple[float, float]:
    """The y range that shows the margin and the last interval; wider, earlier parts of the band are cut off."""
    last = seen[-1][1]
    ends = [size(last), *(bound for bound in (last.lower, last.upper) if bound is not None)]
    high = max(4 * last.margin, *(1.15 * end for end in ends))
    low = 0.0 if last.is_two_sided else min(-1.5 * last.margin, *(1.15 * end for end in ends))
    return max(low, -1.0), min(high, 1.0)
