"""Draws named rows over one scale: dots with intervals, or bars. Names may be long: each stands above its row."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from k8s.report.svg import Axis, Drawing, Panel

WIDTH = 342.0
_ROW, _TOP, _LEFT, _RIGHT = 38.0, 4.0, 12.0, 18.0
#: Characters of a name and its note that fit on one line.
_ROOM = 46


@dataclass(frozen=True)
class Mark:
    """A value with an optional interval."""

    value: float
    colour: str
    low: float | None = None
    high: float | None = None
    hollow: bool = False


@dataclass(frozen=True)
class TableRow:
    """A name, a note at its right, and the marks drawn below."""

    name: str
    note: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Ruler:
    """The common scale: its ends, number format and unit; `zero` draws a line across all rows."""

    low: float
    high: float
    words: Callable[[float], str]
    unit: str
    zero: float | None = None


def draw_rows(label: str, rows: Sequence[TableRow], ruler: Ruler, *, bars: bool = False) -> Markup:
    """The rows as one picture, 342 pixels wide."""
    bottom = _TOP + len(rows) * _ROW + 6
    drawing = Drawing(WIDTH, bottom + 38, label)
    panel = Panel(drawing, Axis(ruler.low, ruler.high, _LEFT, WIDTH - _RIGHT), Axis(0, 1, bottom, _TOP))
    ticks = panel.x.ticks(4)
    for tick in ticks:
        drawing.rule((panel.x(tick), _TOP), (panel.x(tick), bottom), "grid")
    if ruler.zero is not None:
        drawing.rule((panel.x(ruler.zero), _TOP), (panel.x(ruler.zero), bottom), "zero")
    for number, row in enumerate(rows):
        _draw_row(panel, row, _TOP + number * _ROW, bars=bars)
    panel.x_axis(ruler.words, ticks, ruler.unit)
    return drawing.markup()


def _draw_row(panel: Panel, row: TableRow, top: float, *, bars: bool) -> None:
    drawing, middle = panel.drawing, top + 25
    drawing.text(0, top + 13, shortened(row.name, _ROOM - len(row.note)), css="name halo")
    drawing.text(WIDTH, top + 13, row.note, css="tick halo", anchor="end")
    for mark in row.marks:
        if bars:
            ends = sorted((panel.x(0), panel.x(mark.value)))
            drawing.box(ends[0], middle - 5, ends[1], middle + 5, "bar", mark.colour)
        if mark.low is not None and mark.high is not None:
            css = "whisker over" if bars else "whisker"
            drawing.rule((panel.x(mark.low), middle), (panel.x(mark.high), middle), css, "" if bars else mark.colour)
        if not bars:
            drawing.dot(panel.x(mark.value), middle, mark.colour, hollow=mark.hollow)


def shortened(name: str, room: int) -> str:
    """The name, cut to the available room; wide letters count double."""
    used = 0
    for at, letter in enumerate(name):
        used += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if used > room:
            return name[: max(at - 1, 1)] + "…"
    return name
