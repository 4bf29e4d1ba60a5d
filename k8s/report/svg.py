"""Draws plots as SVG: axes, lines, bands, dots. Every text is escaped; lengths are CSS pixels.

Fonts, greys and line widths are classes of `style.css`; only the colours of versions are set here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """Maps `low..high` of the data to `start..end` on the page."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The position of a value on the page; a value outside the axis goes to its edge."""
        span = (self.high - self.low) or 1.0
        share = min(max((value - self.low) / span, 0.0), 1.0)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """True if a value lies within the axis."""
        return self.low <= value <= self.high

    def ticks(self, about: int, steps: Sequence[float] = (1, 2, 2.5, 5, 10)) -> list[float]:
        """Round values within the axis, at most `about` + 1; `steps` are multiples of a power of ten."""
        rough = (self.high - self.low) / max(about, 1)
        if rough <= 0:
            return [self.low]
        power = 10 ** math.floor(math.log10(rough))
        step = next((part * power for part in steps if part * power >= rough * 0.999), steps[-1] * power)
        return _multiples(step, self.low, self.high)

    def time_ticks(self, about: int) -> list[float]:
        """Round numbers of seconds within the axis."""
        rough = (self.high - self.low) / max(about, 1)
        step = next((step for step in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600) if step >= rough), rough)
        return _multiples(step, self.low, self.high)


def _multiples(step: float, low: float, high: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


@dataclass
class Drawing:
    """One picture; `label` is its text for screen readers."""

    width: float
    height: float
    label: str
    parts: list[Markup] = field(default_factory=list)

    def add(self, template: str, **values: object) -> None:
        """Adds an element; values are escaped, numbers are rounded to a tenth of a pixel."""
        shown = {name: _pixels(value) if isinstance(value, float) else value for name, value in values.items()}
        self.parts.append(Markup(template).format(**shown))  # noqa: S704 -- templates are this package's own

    def text(self, x: float, y: float, text: str, *, css: str = "", anchor: str = "start") -> None:
        """Writes a line of text with its baseline at `y`."""
        self.add(
            '<text x="{x}" y="{y}" class="{css}" text-anchor="{anchor}">{text}</text>',
            x=float(x), y=float(y), css=css, anchor=anchor, text=text,
        )  # fmt: skip

    def rule(self, start: Point, end: Point, css: str, colour: str = "") -> None:
        """Draws a straight line."""
        self.path([start, end], css, colour)

    def path(self, points: Sequence[Point], css: str, colour: str = "") -> None:
        """Draws a line through the points."""
        if points:
            stroke = Markup(' stroke="{}"').format(colour) if colour else ""
            self.add('<path d="{d}" class="{css}"{stroke}/>', d=_steps(points), css=css, stroke=stroke)

    def area(self, upper: Sequence[Point], lower: Sequence[Point], colour: str, css: str = "area") -> None:
        """Fills the area between two lines with the same x values."""
        if upper:
            outline = _steps([*upper, *reversed(lower)])
            self.add('<path d="{d}Z" class="{css}" fill="{colour}"/>', d=outline, css=css, colour=colour)

    def box(self, left: float, top: float, right: float, bottom: float, css: str, colour: str = "") -> None:
        """Fills a rectangle."""
        fill = Markup(' fill="{}"').format(colour) if colour else ""
        self.add(
            '<rect x="{x}" y="{y}" width="{w}" height="{h}" class="{css}"{fill}/>',
            x=float(left), y=float(top), w=float(max(right - left, 0)), h=float(max(bottom - top, 0)),
            css=css, fill=fill,
        )  # fmt: skip

    def dot(self, x: float, y: float, colour: str, *, hollow: bool = False, radius: float = 4.5) -> None:
        """Draws a dot; a hollow one is a ring."""
        self.add(
            '<circle cx="{x}" cy="{y}" r="{r}" fill="{fill}" stroke="{colour}" class="dot"/>',
            x=float(x), y=float(y), r=float(radius), fill="#fff" if hollow else colour, colour=colour,
        )  # fmt: skip

    def markup(self) -> Markup:
        """The whole picture."""
        head = Markup('<svg viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{label}">')
        opened = head.format(w=_pixels(self.width), h=_pixels(self.height), label=self.label)
        return opened + Markup("").join(self.parts) + Markup("</svg>")


@dataclass(frozen=True)
class Panel:
    """A pair of axes on a drawing."""

    drawing: Drawing
    x: Axis
    y: Axis

    def at(self, points: Sequence[Point]) -> list[Point]:
        """The positions of data points on the page."""
        return [(self.x(x), self.y(y)) for x, y in points]

    def y_axis(self, words: Callable[[float], str], about: int = 3, ticks: Sequence[float] | None = None) -> None:
        """Draws a faint line and a number at each round value."""
        for tick in self.y.ticks(about) if ticks is None else ticks:
            height = self.y(tick)
            self.drawing.rule((self.x.start, height), (self.x.end, height), "grid")
            self.drawing.text(self.x.start - 6, height + 4, words(tick), css="tick", anchor="end")

    def x_axis(self, words: Callable[[float], str], ticks: Sequence[float], unit: str = "") -> None:
        """Draws the numbers below the panel, and their unit on a line below the numbers."""
        bottom = max(self.y.start, self.y.end)
        self.drawing.rule((self.x.start, bottom), (self.x.end, bottom), "axis")
        for tick in ticks:
            place = self.x(tick)
            self.drawing.rule((place, bottom), (place, bottom + 4), "axis")
            self.drawing.text(place, bottom + 17, words(tick), css="tick", anchor="middle")
        if unit:
            self.drawing.text(self.x.end, bottom + 34, unit, css="tick", anchor="end")

    def line(self, points: Sequence[Point], colour: str, css: str = "line") -> None:
        """Draws data as a line."""
        self.drawing.path(self.at(points), css, colour)

    def band(self, band: Sequence[tuple[float, float, float]], colour: str, css: str = "band") -> None:
        """Fills a band of (x, lower, upper) triples."""
        self.drawing.area(
            self.at([(x, high) for x, _, high in band]), self.at([(x, low) for x, low, _ in band]), colour, css
        )


def as_steps(points: Sequence[Point], until: float) -> list[Point]:
    """The corners of a stepped line: each value holds until the next point, the last until `until`."""
    corners: list[Point] = []
    for (x, y), following in zip(points, [*(x for x, _ in points[1:]), until], strict=False):
        corners += [(x, y), (following, y)]
    return corners


def _steps(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{_pixels(x)} {_pixels(y)}" for x, y in points)


def _pixels(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
