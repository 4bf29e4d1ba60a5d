"""The model card: what a version was made from, and what it showed on the hold-out before anybody met it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from components.evaluation import CalibrationBin, Comparison, Fairness, GateResult, Interval, Speed
from k8s.twin.report.record import Loose
from k8s.twin.report.rows import Mark, Row, Ruler, draw_rows
from k8s.twin.report.svg import Axis, Drawing, Panel
from k8s.twin.report.words import CANDIDATES, METRICS, colour_of, count, listed, number, percent

#: Metrics of which less is better.
_COSTS = ("brier_score", "log_loss", "calibration_error")
_MOST_FEATURES = 10
_GREY = "#8a929c"


class Trial(Loose):
    """A point of the search; see `components.tune.Trial`."""

    candidate: str
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """What trials are compared by."""
        return sum(self.scores) / len(self.scores)


class Search(Loose):
    """See `components.tune.Search`."""

    metric: str
    trials: tuple[Trial, ...]


class Importance(Loose):
    """See `components.explain.Importance`."""

    feature: str
    loss: Interval


class Card(Loose):
    """What is shown of `versions/<n>/evaluation.json`."""

    candidate: str
    rows: int
    positives: int
    metrics: dict[str, Interval]
    champion: Comparison | None = None
    calibration: tuple[CalibrationBin, ...] = ()
    fairness: tuple[Fairness, ...] = ()
    speed: Speed | None = None
    package_mib: float | None = None
    gates: tuple[GateResult, ...] = ()
    search: Search | None = None
    importance: tuple[Importance, ...] = ()


@dataclass(frozen=True)
class Plot:
    """A sentence that says what is to be seen, the picture, and a note below it."""

    title: str
    plot: Markup
    note: str = ""


@dataclass(frozen=True)
class Fact:
    """One thing to know, and what it is."""

    value: str
    label: str


def facts(card: Card) -> list[Fact]:
    """What fits in a word or a number."""
    found = [
        Fact(CANDIDATES.get(card.candidate, card.candidate), "is the kind of model"),
        Fact(f"{count(card.rows)} rows", f"were held out, {count(card.positives)} of them positive"),
    ]
    if card.search:
        trials = card.search.trials
        found.append(Fact(f"{len(trials)} trials", f"in {len(trials[0].scores)}-fold cross-validation"))
    if card.speed:
        found.append(Fact(f"{number(card.speed.p99_ms)} ms", "for one row, in 99 of 100 cases"))
    if card.package_mib is not None:
        found.append(Fact(f"{number(card.package_mib)} MiB", "is the size of the model file"))
    return found


def plots(card: Card, version: str, champion: str) -> list[Plot]:
    """The plots for which there are numbers."""
    colour = colour_of(version)
    return [
        *([_search(card.search, colour)] if card.search else []),
        _metrics(card, version, champion),
        *([_calibration(card.calibration, colour)] if card.calibration else []),
        *([_importance(card.importance, colour)] if card.importance else []),
        *(_fairness(found, colour, card) for found in card.fairness if found.groups),
    ]


def _search(search: Search, colour: str) -> Plot:
    best = max(search.trials, key=lambda trial: trial.mean)
    means: dict[str, list[float]] = {}
    for trial in search.trials:
        means.setdefault(trial.candidate, []).append(trial.mean)
    rows = [
        Row(
            CANDIDATES.get(kind, kind),
            f"best {max(values):.3f}",
            (*(Mark(value, _GREY, hollow=True) for value in values), *([Mark(best.mean, colour)] if kind == best.candidate else [])),
        )
        for kind, values in sorted(means.items(), key=lambda pair: -max(pair[1]))
    ]
    ruler = _ruler([mean for values in means.values() for mean in values], f"mean {_metric_name(search.metric)} over the folds")
    won = CANDIDATES.get(best.candidate, best.candidate)
    title = f"{won} won the search with {best.mean:.3f}" if len(means) > 1 else f"The best trial reached {best.mean:.3f}"
    return Plot(title, draw_rows(title, rows, ruler), "A ring is a trial, the dot is the one that was taken.")


def _metrics(card: Card, version: str, champion: str) -> Plot:
    if card.champion is None:
        rows = [
            Row(_metric_name(name), f"{m.value:.3f}", (Mark(m.value, colour_of(version), m.low, m.high),))
            for name, m in card.metrics.items()
        ]
        title = f"What version {version} shows on the hold-out"
        return Plot(title, draw_rows(title, rows, Ruler(0, 1, number, "value")), _BOOTSTRAP)
    rows, better, worse = [], [], []
    for name, difference in card.champion.difference.items():
        sign = -1 if name in _COSTS else 1
        low, high = sorted((sign * difference.low, sign * difference.high))
        (better if low > 0 else worse if high < 0 else []).append(_metric_name(name))
        note = f"{card.metrics[name].value:.3f}, before {card.champion.metrics[name].value:.3f}"
        rows.append(Row(_metric_name(name), note, (Mark(sign * difference.value, colour_of(version), low, high),)))
    ends = [end for row in rows for mark in row.marks for end in (mark.low, mark.high) if end is not None]
    ruler = _ruler([*ends, 0.0], f"worse than version {champion}  |  better, in the metric's unit", zero=0.0)
    title = _compared(better, worse, version, champion)
    return Plot(title, draw_rows(title, rows, ruler), _BOOTSTRAP)


_BOOTSTRAP = "A line is the middle 95 % of bootstrap samples of the hold-out."


def _compared(better: list[str], worse: list[str], version: str, champion: str) -> str:
    if better and not worse:
        return f"Version {version} is clearly better than version {champion} in {listed(better)}"
    if worse and not better:
        return f"Version {version} is clearly worse than version {champion} in {listed(worse)}"
    if better and worse:
        return f"Version {version} is better in {listed(better)}, worse in {listed(worse)}"
    return f"On the hold-out, versions {version} and {champion} can hardly be told apart"


def _calibration(bins: Sequence[CalibrationBin], colour: str) -> Plot:
    rows = sum(part.rows for part in bins)
    gap = sum(part.rows * abs(part.predicted - part.observed) for part in bins) / max(rows, 1)
    title = f"When it says 30 %, about 30 % come true: off by {percent(gap, 1).replace('%', 'points')} on average"
    drawing = Drawing(342, 268, title)
    panel = Panel(drawing, Axis(0, 1, 46, 332), Axis(0, 1, 224, 24))
    drawing.text(0, 11, "came true", css="tick")
    panel.y_axis(lambda value: percent(value, 0), ticks=[0, 0.25, 0.5, 0.75, 1])
    panel.x_axis(lambda value: percent(value, 0), [0, 0.25, 0.5, 0.75, 1], "predicted probability")
    panel.line([(0, 0), (1, 1)], "", "guide")
    panel.line([(part.predicted, part.observed) for part in bins], colour)
    for part in bins:
        drawing.dot(panel.x(part.predicted), panel.y(part.observed), colour, radius=3.5)
    return Plot(title, drawing.markup(), f"Each dot is about {count(rows / len(bins))} hold-out rows with neighbouring scores.")


def _importance(features: Sequence[Importance], colour: str) -> Plot:
    ranked = sorted(features, key=lambda found: -found.loss.value)[:_MOST_FEATURES]
    rows = [
        Row(found.feature, f"{found.loss.value:.3f}", (Mark(found.loss.value, colour, found.loss.low, found.loss.high),))
        for found in ranked
    ]
    ends = [end for found in ranked for end in (found.loss.low, found.loss.high)]
    title = f"It leans most on {listed([found.feature for found in ranked[:2]])}"
    plot = draw_rows(title, rows, _ruler([*ends, 0.0], "ROC AUC lost when the feature is shuffled", zero=0.0), bars=True)
    left_out = len(features) - len(ranked)
    return Plot(title, plot, f"{left_out} features that matter less are left out." if left_out else "")


def _fairness(found: Fairness, colour: str, card: Card) -> Plot:
    rows = [
        Row(
            f"{found.by}: {group.value}",
            f"{percent(group.true_positive_ratio)} of {count(group.positives)}",
            (Mark(group.true_positive_ratio, colour),),
        )
        for group in found.groups
        if group.true_positive_ratio is not None
    ]
    allowed = next((gate.limit for gate in card.gates if gate.gate == f"fairness by {found.by}"), "")
    gap = "too few positives to compare" if found.gap is None else f"{percent(found.gap).replace('%', 'points')} apart"
    title = f"Groups by {found.by}: {gap}" + (f", allowed {allowed}" if allowed else "")
    ruler = Ruler(0, 1, lambda value: percent(value, 0), "of the positives are found")
    return Plot(title, draw_rows(title, rows, ruler))


def _ruler(values: Sequence[float], unit: str, zero: float | None = None) -> Ruler:
    low, high = min(values), max(values)
    spare = (high - low) * 0.08 or abs(high) * 0.1 or 0.1
    return Ruler(low if low == zero else low - spare, high + spare, number, unit, zero)


def _metric_name(name: str) -> str:
    return METRICS.get(name, name)
