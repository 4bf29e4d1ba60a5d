"""Shows a plan on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from components.spec.contract import Rollout
from components.spec.quantities import time_text
from components.spec.traffic_settings import weight_count
from services.judge.plan.changes import ChangeFigures
from services.judge.plan.figures import Planner, RowFigures, fits
from services.judge.plan.playing import LABELS, Traffic

_NONE = "–"  # noqa: RUF001 -- a dash for no number
_EXPOSED = {
    "error_ratio": "errors",
    "slow_ratio": "slow answers",
    "score_shift": "moved scores",
    "label_loss": "Brier loss",
}


def headline(service: str, rollout: Rollout, rate: float, row: RowFigures) -> str:
    """One or two sentences: whether the rollout fits this rate, and if not, what it lacks."""
    deadline = time_text(rollout.deadline_minutes * 60)
    at = f"{service} at {rate_text(rate)}"
    if fits(row, rollout):
        return f"{at} fits: nine in ten equal canaries are promoted within {time_text(row.seconds[1])} of {deadline}."
    needs = "no time is enough" if math.isinf(row.seconds[1]) else f"nine in ten need up to {time_text(row.seconds[1])}"
    least = "no rate would do" if row.least_rate is None else f"the least rate is {rate_text(row.least_rate)}"
    return (
        f"{at} does not fit: {row.in_time:.0%} of equal canaries are promoted before the deadline of {deadline};"
        f" {needs}, and {least}."
    )


def figures_table(rows: Sequence[RowFigures], rollout: Rollout) -> Table:
    """The figures of each signal, and of all together."""
    table = Table(title="Until an equal canary is promoted, and until harm is called (median / 90 %)")
    for name in ("canary", "requests", "time", "exposure", "least rate"):
        table.add_column(name, justify="left" if name == "canary" else "right", no_wrap=True)
    for at, row in enumerate(rows):
        last = at + 1 == len(rows) or rows[at + 1].signal != row.signal
        late = row.seconds[1] > rollout.deadline_minutes * 60
        table.add_row(
            _canary(row), _pair(row.requests, count_text), f"{'[yellow]' if late else ''}{_pair(row.seconds, _time)}",
            _pair(row.exposure, count_text) if row.times else "",
            _NONE if row.least_rate is None else rate_text(row.least_rate), end_section=last,
        )  # fmt: skip
    return table


def changes_table(found: Sequence[ChangeFigures]) -> Table:
    """What each change would bring, and what it costs."""
    table = Table(title="What to change in rollout: and what it brings, for an equal canary (90 %)")
    table.add_column("change")
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("least rate", justify="right", no_wrap=True)
    table.add_column("fits", no_wrap=True)
    table.add_column("2 x errors: called, exposure", justify="right")
    for one in found:
        change, equal, harmful = one.change, one.equal, one.harmful
        table.add_row(
            f"[bold]{change.name}[/bold]: {change.lines} ({change.price})", _time(equal.seconds[1]),
            _NONE if equal.least_rate is None else rate_text(equal.least_rate),
            "[green]yes" if one.fits else "[red]no",
            _NONE if harmful is None else f"{_time(harmful.seconds[1])}, {count_text(harmful.exposure[1])}",
            end_section=True,
        )  # fmt: skip
    return table


def assumptions(planner: Planner, source: str) -> str:
    """Under which assumptions the figures hold."""
    traffic, rollout = planner.traffic, planner.rollout
    champion, few = traffic.champion, max(planner.rollouts // 5, 20)
    signals = {signal.name for signal in planner.signals()}
    lines = [
        f"Simulated: {planner.rollouts} rollouts a row ({few} for scores), by the judge's own decisions, looked at each"
        f" {time_text(rollout.interval_seconds)}. The champion is {source}: {champion.error:.2%} errors,"
        f" {champion.slow:.2%} slow answers. Requests come at random, at one rate, each routed by itself.",
        "An equal canary is judged by the row's signal alone; a worse one is worse in that signal only, and judged by"
        " all. Exposure: the canary's requests until harm is called x its excess, which callers meet as"
        f" {', '.join(words for name, words in _EXPOSED.items() if name in signals)}."
        f" An equal canary is failed in at most {rollout.false_alarm:.0%} of rollouts. Least rate: with it nine in ten"
        f" end before the deadline of {time_text(planner.deadline_seconds)}.",
    ]
    if LABELS in signals:
        lines.append(_label_words(traffic, rollout))
    return "\n".join(lines)


def _label_words(traffic: Traffic, rollout: Rollout) -> str:
    share = f"{traffic.labelled:.0%} of the answers get a label"
    if not traffic.label_delay_seconds:
        return f"{share}, at once (LABELLED= and LABEL_DELAY= say otherwise)."
    delay, weights = time_text(traffic.label_delay_seconds), weight_count(rollout)
    waits = f"Each of the {weights} weights waits for its own; " if weights > 1 else ""
    return f"{share}, {delay} after it. {waits}at promotion, nobody knows those of the last {delay}."


def print_plan(console: Console, service: str, planner: Planner, rows: Sequence[RowFigures], source: str) -> None:
    """Prints the headline, the figures and their assumptions."""
    console.print(headline(service, planner.rollout, planner.traffic.rate, rows[-1]), style="bold")
    console.print(figures_table(rows, planner.rollout))
    console.print(assumptions(planner, source), style="dim")


def print_changes(console: Console, found: Sequence[ChangeFigures]) -> None:
    """Prints what to change."""
    console.print(changes_table(found))


def rate_text(rate: float) -> str:
    """A rate of requests for people, rounded up to two digits in the unit that suits it."""
    per, unit = next(((per, unit) for per, unit in ((1, "s"), (60, "min"), (3600, "h")) if rate * per >= 1), (86_400, "day"))
    digits = 10 ** (math.floor(math.log10(rate * per)) - 1)
    # A rate such as 2 must not become 2.1 for the last bit of a product.
    return f"{math.ceil(rate * per / digits - 1e-9) * digits:,.{0 if digits >= 1 else 1}f}/{unit}"


def count_text(number: float) -> str:
    """A number of requests or of harm met, in three digits."""
    if not math.isfinite(number):
        return _NONE
    if number >= 100_000:
        return f"{number / 1000:,.0f}k" if number < 10_000_000 else f"{number / 1e6:,.0f}M"
    return f"{number:,.0f}" if number >= 10 or number == 0 else f"{number:.1f}"


def _canary(row: RowFigures) -> str:
    if row.signal is None:
        return "[bold]all: promoted"
    return f"{row.signal.name} {row.signal.margin:g}: promoted" if not row.times else f"  {row.times:g} x: called"


def _pair(numbers: tuple[float, float], text: object) -> str:
    assert callable(text)
    return f"{text(numbers[0])} / {text(numbers[1])}"


def _time(seconds: float) -> str:
    return time_text(seconds) if math.isfinite(seconds) else _NONE
