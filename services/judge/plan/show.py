"""Shows a plan on the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from components.spec.contract import Rollout
from components.spec.quantities import time_text
from components.spec.traffic_settings import weight_count
from services.judge.plan.changes import ChangeFigures
from services.judge.plan.figures import HARMS, Planner, RowFigures, fits
from services.judge.plan.judging import LABELS, is_shadow_first
from services.judge.plan.playing import AssumedTraffic
from services.judge.statistics.lost import SURELY

_NONE = "–"  # noqa: RUF001 -- a dash for no number
_TWICE = 2.0
#: A harmful canary is promoted this often only in a signal that does not promise to find so little.
_OFTEN = 0.1
_EXPOSED = {
    "error_ratio": "errors",
    "slow_ratio": "slow answers",
    "score_shift": "moved scores",
    "label_loss": "loss of answers",
    "lost_ratio": "lost requests",
}


def headline(service: str, rollout: Rollout, rate: float, row: RowFigures) -> str:
    """One or two sentences: whether the rollout fits this rate, and if not, what it lacks."""
    deadline = time_text(rollout.deadline_minutes * 60)
    at = f"{service} at {rate_text(rate)}"
    if fits(row, rollout):
        return (
            f"{at}: the rollout fits. Nine in ten equal canaries are promoted within {time_text(row.seconds[1])}, and"
            f" the deadline is {deadline}."
        )
    needs = "no time is enough" if math.isinf(row.seconds[1]) else f"nine in ten take up to {time_text(row.seconds[1])}"
    least = "no rate would do" if row.least_rate is None else f"the least rate is {rate_text(row.least_rate)}"
    return (
        f"{at}: the rollout does not fit. {round(100 * row.in_time)} % of equal canaries are promoted before the"
        f" deadline of {deadline}; {needs}, and {least}."
    )


def harm_words(rows: Sequence[RowFigures], rollout: Rollout) -> str:
    """Sentences about harm of twice the margin that is promoted, or takes longer than the deadline; empty if none."""
    rows = [row for row in rows if row.times == _TWICE]
    passed = [row.signal.name for row in rows if row.signal and row.otherwise > _OFTEN]
    late = [row.signal.name for row in rows if row.signal and row.otherwise <= _OFTEN and not fits(row, rollout)]
    told = []
    if late:
        told.append(
            f"Harm of {_TWICE:g} x the margin may outlast the deadline in {', '.join(late)}: such a canary ends"
            " undecided, and its traffic goes back."
        )
    if passed:
        told.append(f"Harm of {_TWICE:g} x the margin may be promoted in {', '.join(passed)}: only more of it is told.")
    return " ".join(told)


def figures_table(rows: Sequence[RowFigures], rollout: Rollout) -> Table:
    """The figures of each signal, and of all together."""
    table = _table("Until an equal canary is promoted, and until harm is called: median / 90 %")
    for name in ("signal", "worse", "requests", "time", "exposure", "least rate"):
        table.add_column(name, justify="left" if name in ("signal", "worse") else "right", no_wrap=True)
    previous = None
    for at, row in enumerate(rows):
        first, last = row.signal != previous or not at, at + 1 == len(rows) or rows[at + 1].signal != row.signal
        late = "[yellow]" if row.seconds[1] > rollout.deadline_minutes * 60 else ""
        table.add_row(
            _signal(row, first=first), f"{row.times:g} x" if row.times else "no",
            _pair(row.requests, count_text), _outcome(row, late),
            _pair(row.exposure, count_text) if row.times else "",
            _NONE if row.least_rate is None else rate_text(row.least_rate), end_section=last,
        )  # fmt: skip
        previous = row.signal
    return table


def changes_table(found: Sequence[ChangeFigures]) -> Table:
    """What each change would bring."""
    table = _table("What to change, and what an equal canary (and harm of 2 x in errors) needs then: 90 %")
    table.add_column("change", no_wrap=True)
    for name in ("fits", "time", "least rate", "2 x errors", "exposure"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        equal, harmful = one.equal, one.harmful
        table.add_row(
            one.change.name, "[green]yes" if one.fits else "[red]no", _time(equal.seconds[1]),
            _NONE if equal.least_rate is None else rate_text(equal.least_rate),
            _NONE if harmful is None else _time(harmful.seconds[1]),
            _NONE if harmful is None else count_text(harmful.exposure[1]),
        )  # fmt: skip
    return table


def _table(title: str) -> Table:
    return Table(title=title, box=box.SIMPLE, show_edge=False, pad_edge=False, title_justify="left")


def exposure_words(rows: Sequence[RowFigures], rollout: Rollout) -> str:
    """What callers meet at most of harm of twice the margin, by signal; empty if no row tells of it."""
    told = [f"{count_text(row.exposed_at_most)} {_EXPOSED[row.signal.name]}"
            for row in rows if row.signal and row.times == _TWICE]  # fmt: skip
    if not told:
        return ""
    return (
        f"Until the deadline, callers meet at most (harm of {_TWICE:g} x the margin): {', '.join(told)}. Except in"
        f" {_percent(rollout.false_alarm)} of rollouts, harm from the start gets no weight, after the first, at which"
        f" share x excess is beyond the margin (of lost requests, {_percent(SURELY)}). Harm that begins later stays at"
        " the weight at which it begins."
    )


def assumptions(planner: Planner, source: str) -> str:
    """Under which assumptions the figures hold."""
    traffic, rollout = planner.traffic, planner.rollout
    champion, few = traffic.champion, max(planner.rollouts // 5, 20)
    signals = {signal.name for signal in planner.signals()}
    lines = [
        f"Simulated: {planner.rollouts} rollouts a row ({few} for scores), by the judge's own decisions, with a look"
        f" every {time_text(rollout.interval_seconds)}. The champion is {source}: {_percent(champion.error)} errors,"
        f" {_percent(champion.slow)} slow answers. Requests come at random, at one rate, each routed by itself;"
        " replicas are alike. Late looks are played further apart, so times are up to a tenth too long.",
        "An equal canary is judged by the row's signal alone; a worse one is worse in that signal only, and judged by"
        " all. Exposure: the canary's requests until harm is called x its excess, which callers meet as"
        f" {', '.join(words for name, words in _EXPOSED.items() if name in signals)}."
        f" An equal canary is failed in at most {_percent(rollout.false_alarm)} of rollouts. Least rate: with it nine"
        f" in ten end before the deadline of {time_text(planner.deadline_seconds)}.",
    ]
    if is_shadow_first(rollout):
        lines.append("Scores and labels are judged in the shadow before; its time is not in these figures.")
    if LABELS in signals:
        lines.append(_label_words(traffic, rollout))
    return "\n".join(lines)


def _label_words(traffic: AssumedTraffic, rollout: Rollout) -> str:
    share = f"{_percent(traffic.labelled)} of the answers get a label"
    if not traffic.label_delay_seconds:
        return f"{share}, at once (LABELLED= and LABEL_DELAY= say otherwise)."
    delay, weights = time_text(traffic.label_delay_seconds), weight_count(rollout)
    waits = f" Each of the {weights} weights waits for its own." if weights > 1 else ""
    return f"{share}, {delay} later.{waits} At promotion, those of the last {delay} are not known yet."


def print_plan(console: Console, service: str, planner: Planner, rows: Sequence[RowFigures], source: str) -> None:
    """Prints the headline, the figures and their assumptions."""
    console.print(headline(service, planner.rollout, planner.traffic.rate, rows[-1]), style="bold")
    late = harm_words(rows, planner.rollout)
    if late:
        console.print(late)
    console.print()
    console.print(figures_table(rows, planner.rollout))
    console.print()
    console.print(exposure_words(rows, planner.rollout))
    console.print()
    console.print(assumptions(planner, source), style="dim")


def print_changes(console: Console, found: Sequence[ChangeFigures]) -> None:
    """Prints what to change."""
    console.print()
    console.print(changes_table(found))
    console.print("\nWhat each is in the spec's rollout, and what it costs:")
    for one in found:
        console.print(f"- {one.change.name}: [bold]{one.change.lines}[/bold]; {one.change.price}")


def rate_text(rate: float) -> str:
    """A rate of requests for people, rounded up to two digits in the unit that suits it."""
    units = ((1, "s"), (60, "min"), (86_400, "day"))
    seconds, unit = next((one for one in units if rate * one[0] >= 1), units[-1])
    number, digit = rate * seconds, 10.0 ** (math.floor(math.log10(rate * seconds)) - 1)
    # A rate such as 2 must not become 2.1 for the last bit of a product.
    up = math.ceil(number / digit - 1e-6) * digit
    return f"{round(up, 6):,.10g}/{unit}"


def count_text(number: float) -> str:
    """A number of requests or of harm met, in two or three digits."""
    if not math.isfinite(number):
        return _NONE
    size, unit = next(((size, unit) for size, unit in ((1e6, "M"), (1e3, "k")) if number >= size), (1, ""))
    part = number / size
    return f"{part:.0f}{unit}" if part >= 100 or number == 0 or (part >= 10 and not unit) else f"{part:.1f}{unit}"


def _signal(row: RowFigures, *, first: bool) -> str:
    """The signal in its first row, and its margin in the second (that of the first harm)."""
    if row.signal is None:
        return "[bold]all signals"
    return f"[bold]{row.signal.name}" if first else f"  {row.signal.margin:g}" if row.times == HARMS[0] else ""


def _pair(numbers: tuple[float, float], text: Callable[[float], str]) -> str:
    if not math.isfinite(numbers[0]):
        return _NONE
    return f"{text(numbers[0])} / {text(numbers[1])}"


def _outcome(row: RowFigures, style: str) -> str:
    """The times; or how many canaries end the other way, where that is more than chance."""
    if row.times and row.otherwise > _OFTEN:
        return f"[yellow]{row.otherwise:.0%} promoted".replace("%", " %")
    return f"{style}{_times(row.seconds)}"


def _times(seconds: tuple[float, float]) -> str:
    """Both times, in the unit of the longer one."""
    if not math.isfinite(seconds[1]):
        return f"{_time(seconds[0])} / {_NONE}"
    unit = time_text(seconds[1]).split()[1]
    return f"{time_text(seconds[0], unit).split()[0]} / {time_text(seconds[1])}"


def _time(seconds: float) -> str:
    return time_text(seconds) if math.isfinite(seconds) else _NONE


def _percent(share: float) -> str:
    return f"{round(100 * share, 2):g} %"
