"""The model card: a version's ingredients, and its results on the hold-out before it got any traffic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from pydantic import Field

from components.evaluation.decision_metrics import VALUE
from components.evaluation.result import (
    CalibrationBin,
    Comparison,
    Counting,
    Decided,
    Fairness,
    GateResult,
    Group,
    Interval,
    NumberGroup,
    Speed,
)
from components.models.usage import Usage, in_order
from components.spec.tasks import COSTS, IN_UNITS, Task, measured
from k8s.report.svg import Axis, Drawing, Panel
from k8s.report.words import CANDIDATES, METRICS, colour_of, count, listed, money, named, number, percent, points
from k8s.report.words import usage as usage_words
from k8s.twin.report.record import Loose
from k8s.twin.report.rows import Mark, Ruler, TableRow, draw_rows

_MOST_FEATURES = 10
_GREY = "#8a929c"


class TrialPoint(Loose):
    """A point of the search; see `components.tune.Trial`."""

    candidate: str
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean score over the folds, by which trials are compared."""
        return sum(self.scores) / len(self.scores)


class SearchSummary(Loose):
    """See `components.tune.Search`."""

    metric: str
    trials: tuple[TrialPoint, ...]
    usage: Usage | None = None


class ImportanceBar(Loose):
    """See `components.evaluation.explanation.Importance`."""

    feature: str
    loss: Interval


class Card(Loose):
    """The shown part of `versions/<n>/evaluation.json`."""

    candidate: str
    rows: int
    positives: int | None = None
    task: Task = "binary"
    metrics: dict[str, Interval]
    champion: Comparison | None = None
    calibration: tuple[CalibrationBin, ...] = ()
    fairness: tuple[Fairness, ...] = ()
    speed: Speed | None = None
    package_mib: float | None = None
    gates: tuple[GateResult, ...] = ()
    search: SearchSummary | None = None
    importance: tuple[ImportanceBar, ...] = ()
    importance_metric: str = "roc_auc"
    counting: Counting | None = None
    confusion: tuple[tuple[str, tuple[int, ...]], ...] = ()
    usage: dict[str, Usage] = Field(default_factory=dict)
    decision: Decided | None = None
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plot:
    """A sentence that sums up the picture, the picture, and a note below it."""

    title: str
    plot: Markup
    note: str = ""


@dataclass(frozen=True)
class Fact:
    """A value and its label."""

    value: str
    label: str


@dataclass(frozen=True)
class StepUsage:
    """What a step asked for and what it used, in words."""

    step: str
    asked: str
    used: str
    measured: str


def facts(card: Card) -> list[Fact]:
    """The facts that fit in a word or a number."""
    found = [
        Fact(CANDIDATES.get(card.candidate, card.candidate), "is the kind of model"),
        Fact(f"{count(card.rows)} rows", _held_out(card)),
    ]
    if card.counting and card.counting.interval:
        interval = card.counting.interval
        held = f"{percent(interval.coverage.low)} to {percent(interval.coverage.high)}"
        told = f"of truths lie in the interval that should hold {percent(interval.level)} ({held} with 95 % confidence)"
        found.append(Fact(percent(interval.coverage.value), told))
    found += _decided(card)
    if card.search and card.search.trials:
        trials = card.search.trials
        found.append(
            Fact(f"{len(trials)} trial{'s' * (len(trials) != 1)}", f"in {len(trials[0].scores)}-fold cross-validation")
        )
    if card.speed:
        found.append(Fact(f"{card.speed.p99_ms:.2g} ms", "for one row, in 99 of 100 cases"))
    if card.package_mib is not None:
        found.append(Fact(f"{card.package_mib:.2g} MiB", "is the size of the model file"))
    return found


def _decided(card: Card) -> list[Fact]:
    """What its answers decide, and what that is worth in money."""
    found = card.decision
    if found is None:
        return []
    facts = [
        Fact(f"{found.threshold:g}", f"is where a yes begins; {percent(found.share)} of the held-out rows get one")
    ]
    worth, value = found.rule.value, card.metrics.get(VALUE)
    if worth and value:
        held = f"{money(value.low, worth.currency)} to {money(value.high, worth.currency)} with 95 % confidence"
        facts.append(Fact(money(value.value, worth.currency), f"is what 1,000 answers are worth ({held})"))
    return facts


def _held_out(card: Card) -> str:
    return "were held out" + ("" if card.positives is None else f", {count(card.positives)} of them positive")


def usages(card: Card) -> list[StepUsage]:
    """What the measured steps asked for and used, in the order of the steps; none in older files."""
    search = {"tune": card.search.usage} if card.search and card.search.usage else {}
    return [
        StepUsage(step, usage.asked, usage.used, usage_words(usage))
        for step, usage in in_order(search | card.usage).items()
    ]


def plots(card: Card, version: str, champion: str) -> list[Plot]:
    """The plots for which the card has numbers."""
    colour = colour_of(version)
    return [
        *([_search(card.search, colour)] if card.search and card.search.trials else []),
        _comparison(card, card.champion, version, champion) if card.champion else _metrics(card, version),
        *([_worth(card, colour)] if card.decision and card.decision.gain else []),
        *([_calibrated(card, colour)] if card.calibration else []),
        *([_confusion(card.confusion, colour)] if card.confusion else []),
        *([_importance(card, colour)] if card.importance else []),
        *(_fairness(found, colour, card) for found in card.fairness if found.groups),
    ]


def _search(search: SearchSummary, colour: str) -> Plot:
    best = max(search.trials, key=lambda trial: trial.mean)
    means: dict[str, list[float]] = {}
    for trial in search.trials:
        means.setdefault(trial.candidate, []).append(trial.mean)
    rows = [
        TableRow(
            CANDIDATES.get(kind, kind),
            f"best {_shown(search.metric, max(values))}",
            (
                *(Mark(value, _GREY, hollow=True) for value in values),
                *([Mark(best.mean, colour)] if kind == best.candidate else []),
            ),
        )
        for kind, values in sorted(means.items(), key=lambda pair: -max(pair[1]))
    ]
    ruler = _ruler(
        [mean for values in means.values() for mean in values], f"mean {_metric_name(search.metric)} over the folds"
    )
    won = CANDIDATES.get(best.candidate, best.candidate)
    title = (
        f"{won} won the search with {_shown(search.metric, best.mean)}"
        if len(means) > 1
        else f"The best trial reached {_shown(search.metric, best.mean)}"
    )
    return Plot(title, draw_rows(title, rows, ruler), "A ring is a trial, the dot is the one that was taken.")


def _metrics(card: Card, version: str) -> Plot:
    colour, title = colour_of(version), f"What {named(version).lower()} shows on the hold-out"
    rows = [
        TableRow(_row_name(name), _shown(name, found.value), (_scaled(found, name, card, colour),))
        for name, found in card.metrics.items()
        if name != VALUE
    ]
    unit = "value" if card.task != "regression" else "value; of an error, in parts of the target's deviation"
    return Plot(title, draw_rows(title, rows, Ruler(0, 1, number, unit)), _BOOTSTRAP)


def _scaled(found: Interval, name: str, card: Card, colour: str) -> Mark:
    """A metric on the scale from 0 to 1; an error in the target's unit in parts of its standard deviation."""
    spread = card.counting.spread if card.counting and name in IN_UNITS else None
    ends = (found.value, found.low, found.high)
    value, low, high = (min(max(end / (spread or 1.0), 0.0), 1.0) for end in ends)
    return Mark(value, colour, low, high)


def _comparison(card: Card, compared: Comparison, version: str, champion: str) -> Plot:
    """Plots the differences with their intervals, signed so that better is to the right."""
    rows, signs = [], {name: -1 if name in COSTS else 1 for name in compared.difference if name != VALUE}
    for name, sign in signs.items():
        difference = compared.difference[name]
        spread = (card.counting.spread if card.counting and name in IN_UNITS else None) or 1.0
        low, high = sorted((sign * difference.low / spread, sign * difference.high / spread))
        note = f"{_shown(name, card.metrics[name].value)}, before {_shown(name, compared.metrics[name].value)}"
        value = sign * difference.value / spread
        rows.append(TableRow(_row_name(name), note, (Mark(value, colour_of(version), low, high),)))
    marks = {name: row.marks[0] for name, row in zip(signs, rows, strict=True)}
    better = [_metric_name(name) for name, mark in marks.items() if mark.low is not None and mark.low > 0]
    worse = [_metric_name(name) for name, mark in marks.items() if mark.high is not None and mark.high < 0]
    ends = [end for mark in marks.values() for end in (mark.low, mark.high) if end is not None]
    before = f"version {champion}" if champion else "the champion"
    ruler = _ruler([*ends, 0.0], f"worse \N{LEFTWARDS ARROW} 0 is {before} \N{RIGHTWARDS ARROW} better", zero=0.0)
    title = _compared(better, worse, version, before)
    direction = _NUMBER_DIRECTION if card.task == "regression" else _DIRECTION
    return Plot(title, draw_rows(title, rows, ruler), _BOOTSTRAP + direction)


_BOOTSTRAP = "A line is the middle 95 % of bootstrap samples of the hold-out."
_DIRECTION = " To the right is better, also for Brier score, log loss and calibration error, which should be small."
_NUMBER_DIRECTION = " To the right is better. Errors, which should be small, are in parts of the target's deviation."


def _compared(better: list[str], worse: list[str], version: str, before: str) -> str:
    if better and worse:
        return f"{named(version)} is better than {before} in {listed(better)}, worse in {listed(worse)}"
    if better:
        return f"{named(version)} is clearly better than {before} in {listed(better)}"
    if worse:
        return f"{named(version)} is clearly worse than {before} in {listed(worse)}"
    return f"On the hold-out, {named(version).lower()} and {before} can hardly be told apart"


def _calibrated(card: Card, colour: str) -> Plot:
    return _number_calibration(card, colour) if card.task == "regression" else _calibration(card.calibration, colour)


def _number_calibration(card: Card, colour: str) -> Plot:
    """What was predicted beside what came true, in the target's unit."""
    bins = card.calibration
    ends = [value for part in bins for value in (part.predicted, part.observed)]
    low, high = min(ends), max(ends)
    spare = 0.05 * (high - low) or 1.0
    across = Axis(low - spare, high + spare, 60, 324)
    title = "What it predicts beside what came true"
    scale = _Scale(number, across.ticks(4), (low, high), "predicted")
    return Plot(title, _dots(title, bins, colour, across, scale), f"{_each_dot(bins)} predictions.")


def _calibration(bins: Sequence[CalibrationBin], colour: str) -> Plot:
    rows = sum(part.rows for part in bins)
    gap = sum(part.rows * abs(part.predicted - part.observed) for part in bins) / max(rows, 1)
    title = f"What it predicts and what came true differ by {points(gap)} on average"
    scale = _Scale(percent, [0, 0.25, 0.5, 0.75, 1], (0, 1), "predicted probability")
    return Plot(title, _dots(title, bins, colour, Axis(0, 1, 46, 324), scale), f"{_each_dot(bins)} scores.")


@dataclass(frozen=True)
class _Scale:
    """Both axes of a picture of what was predicted and what came true: words, ticks, and the ends of the diagonal."""

    words: Callable[[float], str]
    ticks: Sequence[float]
    diagonal: tuple[float, float]
    predicted: str


def _dots(title: str, bins: Sequence[CalibrationBin], colour: str, across: Axis, scale: _Scale) -> Markup:
    """What came true by what was predicted, beside the diagonal where both are equal."""
    drawing = Drawing(342, 268, title)
    panel = Panel(drawing, across, Axis(across.low, across.high, 224, 24))
    drawing.text(0, 11, "came true", css="tick")
    panel.y_axis(scale.words, ticks=scale.ticks)
    panel.x_axis(scale.words, scale.ticks, scale.predicted)
    panel.line([(end, end) for end in scale.diagonal], "", "guide")
    panel.line([(part.predicted, part.observed) for part in bins], colour)
    for part in bins:
        drawing.dot(panel.x(part.predicted), panel.y(part.observed), colour, radius=3.5)
    return drawing.markup()


def _each_dot(bins: Sequence[CalibrationBin]) -> str:
    return f"Each dot is about {count(sum(part.rows for part in bins) / len(bins))} hold-out rows with neighbouring"


def _confusion(classes: Sequence[tuple[str, tuple[int, ...]]], colour: str) -> Plot:
    """The share of each class's rows that is named right, and what the others are most often taken for."""
    names = [name for name, _ in classes]
    rows = []
    for place, (name, called) in enumerate(classes):
        others = [(taken, names[at]) for at, taken in enumerate(called) if at != place and taken]
        most = max(others, default=(0, ""))
        note = f"{count(called[place])} of {count(sum(called))}" + (
            f", {count(most[0])} as {most[1]}" if most[0] else ""
        )
        rows.append(TableRow(name, note, (Mark(called[place] / max(sum(called), 1), colour),)))
    shares = [called[place] / max(sum(called), 1) for place, (_, called) in enumerate(classes)]
    worst = names[shares.index(min(shares))]
    title = f"Of each class it finds at least {percent(min(shares))}; least of {worst}"
    return Plot(title, draw_rows(title, rows, Ruler(0, 1, percent, "of the class's rows are found")))


def _worth(card: Card, colour: str) -> Plot:
    """What 1,000 answers are worth in money, beside the simplest rule and the champion."""
    found, value = card.decision, card.metrics[VALUE]
    if found is None or found.gain is None or found.simplest is None or found.rule.value is None:
        raise TypeError("the card has no value of decisions")
    currency, simplest, gain = found.rule.value.currency, found.simplest, found.gain
    before = card.champion.metrics.get(VALUE) if card.champion else None
    rows = [
        TableRow("This version", money(value.value, currency), (Mark(value.value, colour, value.low, value.high),)),
        *([TableRow("The champion", money(before.value, currency), (_interval(before, _GREY),))] if before else []),
        TableRow(simplest.name.capitalize(), money(simplest.value, currency), (Mark(simplest.value, _GREY),)),
    ]
    ends = [value.low, value.high, simplest.value, *([before.low, before.high] if before else [])]
    more = f"{money(gain.low, currency)} to {money(gain.high, currency)}"
    if gain.low > 0:
        title = f"1,000 answers are worth {money(gain.value, currency)} more than {simplest.name}"
    elif gain.high < 0:
        title = f"1,000 answers are worth less than {simplest.name}, by {money(-gain.value, currency)}"
    else:
        title = f"It is not shown that its answers are worth more than {simplest.name}"
    told = "".join(f" Callers may notice: {change}." for change in card.told)
    note = f"{_BOOTSTRAP} The gain over the simplest rule is {more} in 95 % of them.{told}"
    return Plot(title, draw_rows(title, rows, _ruler(ends, f"{currency} per 1,000 answers")), note)


def _interval(found: Interval, colour: str) -> Mark:
    return Mark(found.value, colour, found.low, found.high)


def _importance(card: Card, colour: str) -> Plot:
    features = card.importance
    ranked = sorted(features, key=lambda found: -found.loss.value)[:_MOST_FEATURES]
    rows = [
        TableRow(
            found.feature,
            _shown(card.importance_metric, found.loss.value),
            (Mark(found.loss.value, colour, found.loss.low, found.loss.high),),
        )
        for found in ranked
    ]
    ends = [end for found in ranked for end in (found.loss.low, found.loss.high)]
    title = f"It leans most on {listed([found.feature for found in ranked[:2]])}"
    metric = _row_name(card.importance_metric)
    lost = f"{metric} {'added' if card.importance_metric in COSTS else 'lost'} when the feature is shuffled"
    plot = draw_rows(title, rows, _ruler([*ends, 0.0], lost, zero=0.0), bars=True)
    left_out = len(features) - len(ranked)
    return Plot(title, plot, f"{left_out} features that matter less are left out." if left_out else "")


def _fairness(found: Fairness, colour: str, card: Card) -> Plot:
    allowed = next((gate.limit for gate in card.gates if gate.gate == f"fairness by {found.by}"), "")
    numbers = [group for group in found.groups if isinstance(group, NumberGroup)]
    shown, of_class = _shown_groups([group for group in found.groups if isinstance(group, Group)])
    rows = [_error_row(found.by, group, colour) for group in numbers] or [
        _found_row(found.by, group, colour) for group in shown
    ]
    what = "mean absolute error" if numbers else f"share{of_class} that is found"
    if found.gap is None:
        title = f"Groups by {found.by} have too few {'rows' if numbers else 'positives'} to be compared"
    else:
        parts = " parts of the whole" if numbers else ""
        title = f"The {what} differs by {number(found.gap)}{parts} between groups by {found.by}"
        title += f"; {allowed} is allowed" if allowed else ""
    if numbers:
        ends = [0.0, *(group.mean_absolute_error for group in numbers)]
        return Plot(title, draw_rows(title, rows, _ruler(ends, "mean absolute error of the group's rows", zero=0.0)))
    return Plot(title, draw_rows(title, rows, Ruler(0, 1, percent, "of the positives are found")))


def _shown_groups(groups: Sequence[Group]) -> tuple[list[Group], str]:
    """The groups with positives; of several classes only those of the one whose groups differ most, with its name."""
    known = [group for group in groups if group.true_positive_ratio is not None]
    ratios: dict[str | None, list[float]] = {}
    for group in known:
        ratios.setdefault(group.answer, []).append(group.true_positive_ratio or 0.0)
    worst = max(ratios, key=lambda answer: max(ratios[answer]) - min(ratios[answer]), default=None)
    return [group for group in known if group.answer == worst], "" if worst is None else f" of {worst}"


def _found_row(by: str, group: Group, colour: str) -> TableRow:
    ratio = group.true_positive_ratio or 0.0
    return TableRow(f"{by}: {group.value}", f"{percent(ratio)} of {count(group.positives)}", (Mark(ratio, colour),))


def _error_row(by: str, group: NumberGroup, colour: str) -> TableRow:
    error = group.mean_absolute_error
    return TableRow(f"{by}: {group.value}", f"{number(error)} in {count(group.rows)} rows", (Mark(error, colour),))


def _ruler(values: Sequence[float], unit: str, zero: float | None = None) -> Ruler:
    low, high = min(values), max(values)
    spare = (high - low) * 0.08 or abs(high) * 0.1 or 0.1
    return Ruler(low if low == zero else low - spare, high + spare, number, unit, zero)


def _shown(metric: str, value: float) -> str:
    """A metric's value with the digits that tell it apart; an error in the target's unit with three."""
    return number(value) if measured(metric) in IN_UNITS else f"{value:.3f}"


def _metric_name(name: str) -> str:
    return METRICS.get(name, name)


def _row_name(name: str) -> str:
    return _metric_name(name)[:1].upper() + _metric_name(name)[1:]
