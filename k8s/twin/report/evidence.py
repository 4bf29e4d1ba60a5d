"""Draws how the judge's intervals closed in on the margin, a plot for each signal of each canary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from k8s.twin.report.record import Finding, Look, MissingPartError
from k8s.twin.report.svg import Axis, Drawing, Panel, Point, as_steps
from k8s.twin.report.words import SIGNALS, colour_of, count, number, percent

_WIDTH, _HEIGHT = 342.0, 232.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 8.0, 20.0, 44.0


@dataclass(frozen=True)
class SignalPlot:
    """One signal of one canary: a sentence that says what is to be seen, the plot, and the counts behind it."""

    heading: str
    title: str
    plot: Markup
    counts: str


@dataclass(frozen=True)
class Trial:
    """The evidence about one canary."""

    version: str
    seconds: float
    plots: tuple[SignalPlot, ...]


def trials(looks: Sequence[Look]) -> list[Trial]:
    """A trial for each version that was judged, in order.

    Raises:
        MissingPartError: the judge was never asked.
    """
    if not looks:
        raise MissingPartError("No canary got traffic, so the judge had nothing to weigh.")
    versions = dict.fromkeys(look.version for look in looks)
    return [_trial([look for look in looks if look.version == version]) for version in versions]


def _trial(looks: list[Look]) -> Trial:
    names = dict.fromkeys(finding.name for look in looks for finding in look.verdict.signals)
    plots = (_signal_plot(name, looks) for name in names)
    return Trial(looks[0].version, looks[-1].at - looks[0].at, tuple(plots))


def _signal_plot(name: str, looks: list[Look]) -> SignalPlot:
    start = looks[0].at
    seen = [(look.at - start, f) for look in looks for f in look.verdict.signals if f.name == name]
    last = seen[-1][1]
    heading, measured = SIGNALS.get(name, (name, name))
    return SignalPlot(heading, _title(last), _draw(seen, _title(last), colour_of(looks[0].version)), _counts(last, measured))


def amount(name: str, value: float) -> str:
    """An excess in its signal's own words: percentage points of ratios, or Brier loss."""
    return number(value) if name == "label_loss" else percent(value).replace(" %", " points")


def _title(finding: Finding) -> str:
    margin = amount(finding.name, finding.margin)
    if finding.state == "no data":
        return "No evidence came in, so this signal could not speak for the canary"
    if finding.state == "harm" and finding.lower is not None:
        return f"Harm is shown: worse by at least {amount(finding.name, finding.lower)}, and {margin} is the margin"
    if finding.upper is None:
        return f"Still open: nothing is ruled out yet; the margin is {margin}"
    known = amount(finding.name, finding.upper)
    if finding.upper <= finding.margin:
        return f"Safe: worse by at most {known}, inside the margin of {margin}"
    if finding.state == "safe":
        return f"Safe for the next step: worse by at most {known}; the margin for all traffic is {margin}"
    return f"Still open: may be worse by {known}; the margin is {margin}"


def _counts(finding: Finding, measured: str) -> str:
    sides = f"{count(finding.canary_observations)} of the canary, {count(finding.champion_observations)} of the champion"
    if finding.canary is None or finding.champion is None:
        return f"Measured: {measured}. Seen: {sides}."
    words = number if finding.name == "label_loss" else percent
    at = "" if finding.edge is None else f" at or below a score of {finding.edge:g}"
    return f"Measured: {measured}. Canary {words(finding.canary)}{at}, champion {words(finding.champion)}; seen: {sides}."


def _draw(seen: list[tuple[float, Finding]], label: str, colour: str) -> Markup:
    last = seen[-1][1]
    drawing = Drawing(_WIDTH, _HEIGHT, label)
    low, high = _range(seen)
    panel = Panel(
        drawing,
        Axis(0, max(seen[-1][0], 1), _LEFT, _WIDTH - _RIGHT),
        Axis(low, high, _HEIGHT - _BOTTOM, _TOP),
    )
    unit = "Brier loss" if last.name == "label_loss" else "percentage points"
    drawing.text(0, 10, f"canary worse by, {unit}", css="tick")
    scale = 1 if last.name == "label_loss" else 100
    drawing.box(panel.x.start, panel.y(high), panel.x.end, panel.y(last.margin), "harm")
    panel.y_axis(lambda value: number(value * scale), about=4)
    panel.x_axis(number, panel.x.time_ticks(5), "seconds since the canary got its first traffic")
    _draw_evidence(panel, seen, colour)
    _draw_limits(panel, seen)
    return drawing.markup()


def _draw_evidence(panel: Panel, seen: list[tuple[float, Finding]], colour: str) -> None:
    known = [(at, finding) for at, finding in seen if finding.excess is not None]
    band = [
        (at, panel.y.low if f.lower is None else f.lower, panel.y.high if f.upper is None else f.upper)
        for at, f in known
    ]
    panel.band(band, colour)
    panel.line([(at, low) for at, low, _ in band], colour, "line thin")
    panel.line([(at, high) for at, _, high in band], colour, "line thin")
    panel.line([(at, size(f)) for at, f in known], colour)


def size(finding: Finding) -> float:
    """The excess as the margin counts it: a shift of scores is harm in either direction."""
    excess = finding.excess or 0.0
    return abs(excess) if finding.edge is not None else excess


def _draw_limits(panel: Panel, seen: list[tuple[float, Finding]]) -> None:
    margin = seen[-1][1].margin
    allowed: list[Point] = [(at, f.allowed) for at, f in seen]
    inside = [(at, min(value, panel.y.high)) for at, value in allowed]
    panel.line(as_steps(inside, seen[-1][0]), "", "guide")
    height = panel.y(margin)
    panel.drawing.rule((panel.x.start, height), (panel.x.end, height), "limit")
    panel.drawing.text(panel.x.end, height - 6, "margin", css="strong halo", anchor="end")
    if panel.y.low < 0:
        panel.drawing.rule((panel.x.start, panel.y(0)), (panel.x.end, panel.y(0)), "zero")


def _range(seen: list[tuple[float, Finding]]) -> tuple[float, float]:
    """What to show: the margin, the last interval, and where it came from, cut off above."""
    last = seen[-1][1]
    ends = [bound for bound in (last.lower, last.upper, size(last)) if bound is not None]
    high = max(4 * last.margin, *(1.15 * end for end in ends))
    low = 0.0 if last.edge is not None else min(-1.5 * last.margin, *(1.15 * end for end in ends))
    return max(low, -1.0), min(high, 1.0)
