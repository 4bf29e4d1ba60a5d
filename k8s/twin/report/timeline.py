"""Draws live traffic over time: each version's share of it, its latency and its scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from k8s.report.svg import Axis, Drawing, Panel
from k8s.report.words import called, clock, colour_of, count, ink_on, number
from k8s.twin.report.record import Answered, EventLine, MissingPartError, Second
from services.judge.verdict import ENDS

_LEFT, _RIGHT = 52.0, 10.0
_PANEL, _GAP, _AXIS = 108.0, 46.0, 38.0
#: More points than this along the time axis would be indistinguishable.
_MOST_POINTS = 120
#: Space above the first panel for the judge's marks.
_MARKS = 12.0


@dataclass(frozen=True)
class TimeSpan:
    """A span of time with one canary at one weight, in percent."""

    start: float
    end: float
    champion: str
    canary: str
    weight: float


@dataclass(frozen=True)
class Sample:
    """One version's answers from `at` until `until`; rates are in requests per second."""

    at: float
    until: float
    version: str
    rate: float
    failed_rate: float
    p99_ms: float | None
    mean: float | None
    number: bool = False


@dataclass(frozen=True)
class Timeline:
    """The traffic plots; `wide` is for a page, `narrow` for a phone."""

    title: str
    versions: list[str]
    wide: Markup
    narrow: Markup


@dataclass(frozen=True)
class Scene:
    """The data of the plots."""

    intervals: list[TimeSpan]
    samples: list[Sample]
    decisions: list[EventLine]
    end: float
    limit_ms: float | None

    @property
    def versions(self) -> list[str]:
        """The versions that had traffic, in order of appearance."""
        return list(dict.fromkeys([i.canary or i.champion for i in self.intervals] + [s.version for s in self.samples]))


def timeline(events: Sequence[EventLine], seconds: Sequence[Second], limit_ms: float | None) -> Timeline:
    """The plots, stacked over the same time axis.

    Raises:
        MissingPartError: no version ever got traffic.
    """
    end = max([entry.at for entry in seconds] or [entry.at for entry in events] or [0.0])
    decisions = [event for event in events if event.kind == "decision"]
    scene = Scene(weights_over_time(events, end), samples_of(merged(seconds)), decisions, end, limit_ms)
    if not scene.intervals:
        raise MissingPartError("No version ever got traffic.")
    return Timeline(_title(scene), scene.versions, _draw(scene, 720), _draw(scene, 342))


def _title(scene: Scene) -> str:
    """A sentence that sums up the plots."""
    failures = {sample.version: 0.0 for sample in scene.samples}
    for sample in scene.samples:
        failures[sample.version] += sample.failed_rate * (sample.until - sample.at)
    failed = {version: number for version, number in failures.items() if number}
    of = f" ({called(next(iter(failed)))})" if len(failed) == 1 else ""
    told = f"{count(sum(failed.values()))} requests failed{of}" if failed else "No request failed"
    stops = [event for event in scene.decisions if event.verdict in ENDS]
    ends = f"; version {stops[-1].version} lost its share when the judge said {stops[-1].verdict}" if stops else ""
    return (told if scene.samples else "The share of each version") + ends


def weights_over_time(events: Sequence[EventLine], end: float) -> list[TimeSpan]:
    """The versions' shares over time, from the events of kind `weight`."""
    routed = [event for event in events if event.kind == "weight"]
    intervals, champion = [], ""
    for event, following in zip(routed, [*(event.at for event in routed[1:]), end], strict=False):
        if event.weight >= 100:
            champion = event.version
        canary = event.version if 0 < event.weight < 100 else ""
        intervals.append(TimeSpan(event.at, max(following, event.at), champion, canary, event.weight if canary else 0))
    return intervals


def merged(seconds: Sequence[Second], most: int = _MOST_POINTS) -> list[Second]:
    """Merges neighbouring seconds, so that about `most` remain and the picture stays calm."""
    size = max(1, round(len(seconds) / most))
    return [_merge(seconds[at : at + size]) for at in range(0, len(seconds), size)]


def _merge(seconds: Sequence[Second]) -> Second:
    """Merges seconds: sums of requests and failures, the largest p99, the mean score."""
    parts: dict[str, list[Answered]] = {}
    for second in seconds:
        for version, answered in second.versions.items():
            parts.setdefault(version, []).append(answered)
    lasted = sum(second.seconds for second in seconds)
    return Second(at=seconds[-1].at, seconds=lasted, versions={name: _sum(found) for name, found in parts.items()})


def _sum(parts: Sequence[Answered]) -> Answered:
    scored = [part for part in parts if part.mean is not None and part.requests]
    total = sum(part.requests for part in scored)
    mean = sum((part.mean or 0) * part.requests for part in scored) / total if total else None
    number = any(part.mean_value is not None for part in parts)
    return Answered(
        requests=sum(part.requests for part in parts),
        failed=sum(part.failed for part in parts),
        p99_ms=max((part.p99_ms for part in parts if part.p99_ms is not None), default=None),
        mean_probability=None if number else mean,
        mean_value=mean if number else None,
    )


def samples_of(seconds: Sequence[Second]) -> list[Sample]:
    """A sample for each version and second. Unanswered requests have the version `none`."""
    return [
        Sample(
            second.at - second.seconds, second.at, version, one.requests / max(second.seconds, 0.1),
            one.failed / max(second.seconds, 0.1), one.p99_ms, one.mean, one.mean_value is not None,
        )
        for second in seconds
        for version, one in second.versions.items()
    ]  # fmt: skip


def _draw(scene: Scene, width: float) -> Markup:
    rows: list[tuple[str, Callable[[Panel, Scene], None], Axis]] = [
        ("share of requests that the gateway sends, %", _shares, Axis(0, 100, 0, 0)),
    ]
    if scene.samples:
        rows += _measured(scene)
    height = _MARKS + len(rows) * (_PANEL + _GAP) + _AXIS - 12
    drawing = Drawing(width, height, "Live traffic over time: " + "; ".join(title for title, _, _ in rows))
    x = Axis(0, max(scene.end, 1), _LEFT, width - _RIGHT)
    for row, (title, draw, axis) in enumerate(rows):
        top = _MARKS + row * (_PANEL + _GAP) + (_GAP - 12)
        panel = Panel(drawing, x, Axis(axis.low, axis.high, top + _PANEL, top))
        drawing.text(0, top - 14 - (0 if row else _MARKS), title, css="name")
        _decision_lines(panel, scene)
        if draw is _slowest:
            panel.y_axis(lambda power: number(10**power), ticks=list(range(int(axis.low), int(axis.high) + 1)))
        else:
            panel.y_axis(number, about=2, ticks=[0, 50, 100] if draw is _shares else None)
        draw(panel, scene)
        last = row == len(rows) - 1
        unit = "minutes : seconds since the demo began" if last else ""
        panel.x_axis(clock if last else lambda _: "", x.time_ticks(8 if width > 500 else 4), unit)
    return drawing.markup()


def _measured(scene: Scene) -> list[tuple[str, Callable[[Panel, Scene], None], Axis]]:
    together: dict[float, float] = {}
    for sample in scene.samples:
        together[sample.at] = together.get(sample.at, 0) + sample.rate
    failed = any(sample.failed_rate for sample in scene.samples)
    rows: list[tuple[str, Callable[[Panel, Scene], None], Axis]] = [
        (
            f"requests a second{'; dark: failed' if failed else ''}",
            _requests,
            Axis(0, max(together.values()) * 1.08, 0, 0),
        ),
    ]
    times = [sample.p99_ms for sample in scene.samples if sample.p99_ms]
    if times:
        high = math.ceil(math.log10(max(*times, scene.limit_ms or 1)))
        low = min(math.floor(math.log10(min(times))), high - 1)
        promise = "; dashed: promise" if scene.limit_ms else ""
        rows.append((f"99 of 100 answers within, ms{promise}", _slowest, Axis(low, high, 0, 0)))
    scores = [sample.mean for sample in scene.samples if sample.mean is not None]
    if scores and any(sample.number for sample in scene.samples):
        rows.append(("mean answer", _scores, Axis(min(0, min(scores) * 1.15), max(0, max(scores) * 1.15) or 1, 0, 0)))
    elif scores:
        rows.append(("mean probability answered", _scores, Axis(0, min(1, max(scores) * 1.15), 0, 0)))
    return rows


def _shares(panel: Panel, scene: Scene) -> None:
    """Draws stacked shares: the champion below, the canary above; a champion is named where its name fits."""
    for span in scene.intervals:
        left, right = panel.x(span.start), panel.x(span.end) + 0.3  # avoids a seam between neighbours
        border = panel.y(100 - span.weight)
        panel.drawing.box(left, border, right, panel.y(0), "bar", colour_of(span.champion))
        if span.canary:
            panel.drawing.box(left, panel.y(100), right, border, "bar", colour_of(span.canary))
    for champion, start, end in _reigns(scene.intervals):
        if panel.x(end) - panel.x(start) > 64:
            middle = (panel.x(start) + panel.x(end)) / 2
            css = f"inside {ink_on(champion)}"
            panel.drawing.text(middle, panel.y(18), f"version {champion}", css=css, anchor="middle")
    for decision in scene.decisions:
        _mark(panel, decision)


def _reigns(intervals: Sequence[TimeSpan]) -> list[tuple[str, float, float]]:
    """Each champion's uninterrupted reign as (version, start, end)."""
    reigns: list[tuple[str, float, float]] = []
    for span in intervals:
        if reigns and reigns[-1][0] == span.champion:
            reigns[-1] = (span.champion, reigns[-1][1], span.end)
        else:
            reigns.append((span.champion, span.start, span.end))
    return reigns


def _mark(panel: Panel, decision: EventLine) -> None:
    """Draws a tick where a canary went on, a cross where it failed, a bar where it was undecided; none for waits."""
    x, y = panel.x(decision.at), panel.y(100) - 7
    if decision.verdict == "pass":
        panel.drawing.path([(x - 3.5, y - 1), (x - 1, y + 2), (x + 3.5, y - 4)], "stroke good")
    elif decision.verdict == "fail":
        panel.drawing.path([(x - 3.5, y - 4.5), (x + 3.5, y + 2.5)], "stroke bad")
        panel.drawing.path([(x - 3.5, y + 2.5), (x + 3.5, y - 4.5)], "stroke bad")
    elif decision.verdict == "undecided":
        panel.drawing.path([(x - 4, y - 1), (x + 4, y - 1)], "stroke unsure")


def _decision_lines(panel: Panel, scene: Scene) -> None:
    """Draws a line where a rollout ended without promotion; every panel has it, so that the eye can follow it down."""
    for event in scene.decisions:
        if event.verdict in ENDS:
            x = panel.x(event.at)
            panel.drawing.rule((x, panel.y.start), (x, panel.y.end), "guide")


def _requests(panel: Panel, scene: Scene) -> None:
    """Draws requests stacked by version; failures stand in dark at the bottom."""
    below = {sample.at: 0.0 for sample in scene.samples}
    for version in scene.versions:
        for run in runs([sample for sample in scene.samples if sample.version == version]):
            lower = [corner for s in run for corner in ((s.at, below[s.at]), (s.until, below[s.at]))]
            upper = [corner for s in run for corner in ((s.at, below[s.at] + s.rate), (s.until, below[s.at] + s.rate))]
            panel.drawing.area(panel.at(upper), panel.at(lower), colour_of(version))
            below.update({s.at: below[s.at] + s.rate for s in run})
    for sample in scene.samples:
        if sample.failed_rate:
            top = panel.y(sample.failed_rate)
            panel.drawing.box(panel.x(sample.at), top, panel.x(sample.until), panel.y(0), "failed")


def _slowest(panel: Panel, scene: Scene) -> None:
    """Draws the 99th percentile of latency on a logarithmic scale, with the promised limit."""
    _lines(panel, scene, lambda sample: math.log10(sample.p99_ms) if sample.p99_ms else None)
    if scene.limit_ms is not None:
        height = panel.y(math.log10(scene.limit_ms))
        panel.drawing.rule((panel.x.start, height), (panel.x.end, height), "limit")


def _scores(panel: Panel, scene: Scene) -> None:
    _lines(panel, scene, lambda sample: sample.mean)


def _lines(panel: Panel, scene: Scene, value_of: Callable[[Sample], float | None]) -> None:
    for version in scene.versions:
        for run in runs([sample for sample in scene.samples if sample.version == version]):
            points = [((s.at + s.until) / 2, value) for s in run if (value := value_of(s)) is not None]
            if len(points) == 1:
                points.append((points[0][0] + 1, points[0][1]))
            panel.line(points, colour_of(version), "line thin")


def runs(samples: list[Sample]) -> list[list[Sample]]:
    """A version's samples, split where it had no traffic for more than 1.5 s."""
    parts: list[list[Sample]] = []
    for sample in samples:
        if parts and sample.at - parts[-1][-1].until <= 1.5:
            parts[-1].append(sample)
        else:
            parts.append([sample])
    return parts
