"""Puts the parts together. If a part cannot be shown, its place says why, and the rest is still shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from components.evaluation.result import GateResult
from k8s.report import FOLDER, words
from k8s.twin.report import lineage, model_card
from k8s.twin.report.evidence import RolloutTrial, trials, with_decisions
from k8s.twin.report.record import (
    EventLine,
    Look,
    MissingPartError,
    Second,
    read_lines,
    read_model,
    read_started,
    read_summary,
)
from k8s.twin.report.story import Chapter, Sources, chapters, is_unjudged, verdict
from k8s.twin.report.timeline import Timeline, timeline
from k8s.twin.summary import Story

_FOLDER = Path(__file__).parent
_T = TypeVar("_T")


@dataclass(frozen=True)
class PagePart(Generic[_T]):
    """A part of the page, or the reason why it is missing."""

    content: _T | None
    missing: str = ""


@dataclass(frozen=True)
class ModelCard:
    """The card of the newest version that was not rolled back."""

    version: str
    rows: str
    facts: Sequence[model_card.Fact]
    plots: Sequence[model_card.Plot]
    gates: Sequence[GateResult]
    usages: Sequence[model_card.StepUsage]


def page(home: Path) -> str:
    """The whole report of the demo in a folder, as HTML."""
    summary = _part(lambda: read_summary(home))
    events = _part(lambda: read_lines(home, "twin/events.jsonl", EventLine))
    looks = _looks(home, events.content or [])
    seconds = _part(lambda: read_lines(home, "record/traffic/seconds.jsonl", Second))
    story = summary.content.story if summary.content else None
    shown, before = _versions(story)
    started = read_started(home)
    return _environment().get_template("report.html.j2").render(
        style=Markup((FOLDER / "style.css").read_text(encoding="utf-8")),  # noqa: S704 -- our own file
        summary=summary,
        story=story,
        began=words.day(started) if started else "",
        verdict=verdict(summary.content, events.content or [], looks.content or []) if summary.content else None,
        chapters=_chapters(home, story, events.content or [], looks.content or []) if story else [],
        decisions=[event for event in events.content or [] if event.kind == "decision"],
        timeline=_timeline(home, events, seconds),
        traffic=seconds,
        unjudged=story is not None and is_unjudged(story),
        trials=_trials(looks, events.content or []),
        card=_part(lambda: _card(home, shown, before)),
        chain=_part(lambda: lineage.chain(home, shown)),
        shown=shown,
        words=words,
    )  # fmt: skip


def _versions(story: Story | None) -> tuple[str, str]:
    """The newest version that was not rolled back (the card shows it), and the version before it."""
    stayed = [made.version for made in story.versions if made.fate in {"champion", "promoted"}] if story else []
    return (stayed[-1] if stayed else "1"), (stayed[-2] if len(stayed) > 1 else "")


def _chapters(home: Path, story: Story, events: list[EventLine], looks: list[Look]) -> list[Chapter]:
    versions = [made.version for made in story.versions]
    left = {version: _part(partial(lineage.read_result, home, version)).content for version in versions}
    return chapters(Sources(story, events, looks, {version: found for version, found in left.items() if found}))


def _timeline(home: Path, events: PagePart[list[EventLine]], seconds: PagePart[list[Second]]) -> PagePart[Timeline]:
    if events.content is None:
        return PagePart(None, events.missing)
    known = events.content
    return _part(lambda: timeline(known, seconds.content or [], _limit_ms(home)))


def _limit_ms(home: Path) -> float | None:
    """The promised latency in milliseconds, from the first version's package; None without that package."""
    try:
        return lineage.package_of(home, "1").contract.objectives.latency_p99_ms
    except MissingPartError:
        return None


def _looks(home: Path, events: list[EventLine]) -> PagePart[list[Look]]:
    """Every recorded look at the evidence; if the record is missing, only the looks in the events."""
    recorded = _part(lambda: read_lines(home, "record/verdicts.jsonl", Look))
    looks = _part(lambda: with_decisions(recorded.content or [], events))
    return looks if looks.content else recorded


def _trials(looks: PagePart[list[Look]], events: list[EventLine]) -> PagePart[list[RolloutTrial]]:
    if looks.content is None:
        return PagePart(None, looks.missing)
    known = looks.content
    return _part(lambda: trials(known, events))


def _card(home: Path, version: str, before: str) -> ModelCard:
    folder = home / "versions" / version
    card = read_model(folder / "evaluation.json", home, model_card.Card)
    result = _part(lambda: lineage.read_result(home, version)).content
    rows = words.count(result.snapshot.rows) if result and result.snapshot else ""
    plots = model_card.plots(card, version, before)
    return ModelCard(version, rows, model_card.facts(card), plots, card.gates, model_card.usages(card))


def _part(build: Callable[[], _T]) -> PagePart[_T]:
    try:
        return PagePart(build())
    except MissingPartError as error:
        return PagePart(None, str(error))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader([_FOLDER, FOLDER]), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(clock=words.clock, duration=words.duration, short=words.short, count=words.count)
    environment.filters.update(colour=words.colour_of, number=words.number)
    return environment
