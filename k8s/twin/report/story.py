"""Tells the decisions and their reasons in sentences, for readers who were not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from k8s.report.words import HARM, SIGNALS, amount, clock, count, duration, listed, named, percent, short
from k8s.twin.report.lineage import Result
from k8s.twin.report.record import EventLine, Look, SignalLine, Summary
from k8s.twin.summary import FAILING, RequestCount, Story, VersionFate

_FATES = {
    "champion": "became the first champion",
    "promoted": "was promoted",
    "rolled-back": "was rolled back",
    "undecided": "was undecided and taken back",
    "refused": "was refused before it served anyone",
    "unfinished": "was not finished",
}

#: The fates of a canary whose commit was reverted.
_TAKEN_BACK = ("rolled-back", "undecided")


@dataclass(frozen=True)
class Figure:
    """A number to show in large type."""

    value: str
    label: str


@dataclass(frozen=True)
class Headline:
    """The top of the page."""

    good: bool
    stamp: str
    title: str
    why: str
    problems: tuple[str, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Trip:
    """A canary's time with traffic."""

    start: float
    end: float
    largest_weight: float
    steps: int

    @property
    def seconds(self) -> float:
        """The duration of the trip."""
        return self.end - self.start


@dataclass(frozen=True)
class Chapter:
    """The story of one version."""

    version: str
    fate: str
    sentences: tuple[str, ...]
    quoted: str
    quote: str
    package: str


def verdict(summary: Summary, events: Sequence[EventLine], looks: Sequence[Look]) -> Headline:
    """The whole run in one headline and two sentences."""
    story = summary.story
    figures = [
        Figure(named(story.champion) if story.champion else "Nobody", "is the champion and answers everyone"),
        Figure(count(sum(one.sent for one in story.requests.values())), f"requests sent, {_failures(story)}"),
        *_stopped(story, events),
        Figure(duration(story.seconds), "from the table to the end of this report"),
    ]
    return Headline(
        good=summary.ok,
        stamp="Everything happened as it had to" if summary.ok else "This run did not go as it had to",
        title=_title(story),
        why=_why(story, events, looks) if summary.ok else "What was recorded is below. This went wrong:",
        problems=() if summary.ok else tuple(story.problems) or ("the summary does not say what",),
        figures=tuple(figures),
    )


def is_unjudged(story: Story) -> bool:
    """True if a version was promoted without a decision of the judge, as under strategy basic."""
    return not story.decisions and any(version.fate == "promoted" for version in story.versions)


def _title(story: Story) -> str:
    last = story.versions[-1] if story.versions else None
    if last is None:
        return "No version was made"
    keeps = f"{named(story.champion)} keeps serving." if story.champion else "Nobody serves."
    titles = {
        "rolled-back": f"{named(last.version)} was stopped by the evidence. {keeps}",
        "undecided": f"{named(last.version)} was undecided at its deadline. {keeps}",
        "refused": f"{named(last.version)} was refused before it met a customer. {keeps}",
        "promoted": f"{named(last.version)} {_merit(story)} and is the champion.",
        "champion": f"{named(last.version)} serves; nothing was compared with it.",
        "unfinished": f"{named(last.version)} was not finished. {keeps}",
    }
    return titles[last.fate]


def _merit(story: Story) -> str:
    return "took all traffic once it was ready" if is_unjudged(story) else "proved itself under live traffic"


def _why(story: Story, events: Sequence[EventLine], looks: Sequence[Look]) -> str:
    last = story.versions[-1]
    trip = trip_of(last.version, events)
    if last.fate == "refused":
        return "It did not pass the checks on the hold-out, so it was never packaged, committed or given traffic."
    if trip is None:
        return ""
    share = f"{percent(trip.largest_weight / 100)} of the traffic"
    if last.fate == "rolled-back":
        harm = _harm_shown([look for look in looks if look.version == last.version])
        return (
            f"{named(last.version)} got at most {share}, for {duration(trip.seconds)}. {harm} "
            "All traffic went back and the commit was reverted; nobody had to watch."
        )
    if last.fate == "undecided":
        return (
            f"{named(last.version)} got at most {share}, for {duration(trip.seconds)}. By its deadline neither harm "
            "nor safety was shown. All traffic went back and the commit was reverted; the version may be tried again."
        )
    grown = f"The share of {named(last.version).lower()} grew to {share} in {trip.steps} steps"
    return f"{grown}, each one only when the evidence allowed it."


def _harm_shown(looks: Sequence[Look]) -> str:
    """A sentence on the harm that the last look at a canary showed."""
    shown = [finding for finding in looks[-1].verdict.signals if finding.state == "harm"] if looks else []
    told = [_harm_words(finding) for finding in shown if finding.lower is not None]
    return f"By then it was shown that {listed(told)}." if told else "Then the judge said fail."


def _harm_words(finding: SignalLine) -> str:
    name, least = finding.name, finding.lower or 0.0
    words = HARM.get(name, f"{name} was worse by at least {{least}}").format(
        least=amount(name, least), loss=finding.loss_name
    )
    return f"{words} (the margin is {amount(name, finding.margin)})"


def _stopped(story: Story, events: Sequence[EventLine]) -> list[Figure]:
    last = story.versions[-1] if story.versions else None
    if last is None or last.fate == "refused":
        return [Figure("0 requests", f"reached version {last.version}")] if last else []
    trip = trip_of(last.version, events)
    if trip is None:
        return []
    what = {"rolled-back": "until the bad version was stopped", "undecided": "as a canary until its deadline"}
    return [Figure(duration(trip.seconds), what.get(last.fate, "as a canary until it was promoted"))]


def _failures(story: Story) -> str:
    """The number of failed requests in words; planned failures are counted separately."""
    planned = story.requests.get(FAILING.get(story.fault, ""), RequestCount(0, 0)).failed
    others = sum(one.failed for one in story.requests.values()) - planned
    told = f"{count(others) if others else 'none'} failed"
    return f"{count(planned)} failed on purpose, {count(others) if others else 'no'} others" if planned else told


def trip_of(version: str, events: Sequence[EventLine]) -> Trip | None:
    """A version's time as a canary, from the weights that the gateway used; None if it never was a canary."""
    own = [event for event in events if event.kind == "weight" and event.version == version]
    partial = [event for event in own if 0 < event.weight < 100]
    if not partial:
        return None
    ends = [event.at for event in own if event.at >= partial[-1].at and event not in partial]
    last = ends[0] if ends else partial[-1].at
    return Trip(partial[0].at, last, max(event.weight for event in partial), len(partial))


@dataclass(frozen=True)
class Sources:
    """The sources of the chapters; `results` holds each version's training result."""

    story: Story
    events: Sequence[EventLine]
    looks: Sequence[Look]
    results: Mapping[str, Result]


def chapters(sources: Sources) -> list[Chapter]:
    """A chapter for each version."""
    return [_chapter(made, sources) for made in sources.story.versions]


def _chapter(made: VersionFate, sources: Sources) -> Chapter:
    story, events, looks = sources.story, sources.events, sources.looks
    result = sources.results.get(made.version)
    sentences = [f"It was trained on {count(result.snapshot.rows)} rows."] if result and result.snapshot else []
    if made.version == "3" and story.explanation:
        sentences.append(f"What is different about it: {story.explanation}.")
    sentences += _trip_sentences(made, trip_of(made.version, events), story.requests.get(made.version))
    if made.fate == "promoted":
        sentences.append(_shown_safe([look for look in looks if look.version == made.version]))
    if made.fate in _TAKEN_BACK:
        sentences.append(_revert_sentence(story))
    quoted, quote = _quote(made, events, result)
    told = tuple(sentence for sentence in sentences if sentence)
    return Chapter(made.version, _FATES[made.fate], told, quoted, quote, made.package or "")


def _quote(made: VersionFate, events: Sequence[EventLine], result: Result | None) -> tuple[str, str]:
    """The one who stopped a version and the reason given; both empty if nobody did."""
    if made.fate == "refused" and result and result.message:
        return "The offline gates", result.message
    said = [event for event in events if event.kind == "decision" and event.version == made.version]
    if made.fate not in _TAKEN_BACK or not said:
        return "", ""
    reason = said[-1].reason.removeprefix("fail: ").removeprefix("undecided: ")
    return f"The judge, at {clock(said[-1].at)}", reason[:1].upper() + reason[1:].rstrip(".") + "."


def _trip_sentences(made: VersionFate, trip: Trip | None, requests: RequestCount | None) -> list[str]:
    if made.fate == "refused":
        return ["The offline gates refused it: no package, no commit, no traffic."]
    answered = f"answered {count(requests.sent)} requests" if requests and requests.sent else "answered no request"
    failed = f", {count(requests.failed)} of them with a failure" if requests and requests.failed else ""
    if trip is None:
        return [f"It {answered}{failed}."]
    steps = f"{trip.steps} step{'s' if trip.steps > 1 else ''} up to {percent(trip.largest_weight / 100)}"
    return [
        f"It got its first traffic at {clock(trip.start)} and was a canary for {duration(trip.seconds)}, in {steps} "
        f"of the traffic. In all it {answered}{failed}."
    ]


def _shown_safe(looks: Sequence[Look]) -> str:
    """A sentence with the judge's last upper bound on the harm, signal by signal."""
    if not looks:
        return ""
    known = []
    for finding in looks[-1].verdict.signals:
        if finding.upper is not None:
            unit = f" in {finding.loss_name}" if finding.name == "label_loss" else ""
            heading = SIGNALS.get(finding.name, (finding.name,))[0].lower()
            known.append(f"{heading} {amount(finding.name, finding.upper)}{unit}")
    return (
        f"When it was promoted, it could be worse than the champion by no more than: {listed(known)}." if known else ""
    )


def _revert_sentence(story: Story) -> str:
    reverts = [commit for commit in story.commits if commit.message.startswith("Revert")]
    if not reverts:
        return "No commit reverts it."
    equal = "what it was before, to the last byte" if story.tree_equals_last_good else "not what it was before"
    return f"Commit {short(reverts[-1].id)} reverts it; the environment is {equal}."
