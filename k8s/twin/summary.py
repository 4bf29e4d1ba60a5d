"""The demo's summary: what happened, compared with what had to happen."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from components.files import write_atomically

#: The load generator's word for requests without an answer; see `tests/load/tally.py`.
NOBODY: Final = "none"
#: How the third version of a demo must end.
Ending = Literal["rolled-back", "refused", "promoted"]
Fate = Literal["champion", "promoted", "rolled-back", "undecided", "refused", "unfinished"]

#: The demo's faults that show as failed requests, and the version by which callers count them: an answer that was lost
#: names none.
FAILING = {"errors": "3", "under-load": "3", "lossy": NOBODY}
#: The share of a version's requests that may fail under them: twice the faked ratio, plus a few requests.
PLANNED_FAILURES_RATIO = 0.1
PLANNED_FAILURES_SPARE = 10


@dataclass(frozen=True)
class VersionFate:
    """One version and its fate; `package` is a digest, None when the version was refused before packaging."""

    version: str
    package: str | None
    fate: Fate


@dataclass(frozen=True)
class Decision:
    """One answer of the judge on which the rollout acted; `at` is in seconds since the demo began."""

    at: float
    version: str
    weight: int
    verdict: str
    reason: str
    evidence: dict[str, Any]


@dataclass(frozen=True)
class RequestCount:
    """Requests as the callers counted them."""

    sent: int
    failed: int


@dataclass(frozen=True)
class CommitSummary:
    """A commit of the environment repository."""

    id: str
    message: str


@dataclass(frozen=True)
class Story:
    """Everything that a demo showed; `explanation` says how the third version differs."""

    service: str
    fault: str
    explanation: str
    ending: Ending
    seconds: float
    versions: tuple[VersionFate, ...]
    decisions: tuple[Decision, ...]
    requests: dict[str, RequestCount]
    commits: tuple[CommitSummary, ...]
    tree_equals_last_good: bool
    champion: str | None
    problems: tuple[str, ...] = field(default=())


def faults_found(story: Story) -> list[str]:
    """One sentence for each deviation from what had to happen; empty when the demo went as it should."""
    found = list(story.problems)
    wanted: tuple[Fate, ...] = ("champion", "promoted", story.ending)
    fates = tuple(version.fate for version in story.versions)
    for number, (is_, must_be) in enumerate(zip(fates, wanted, strict=False), start=1):
        if is_ != must_be:
            found.append(f"version {number} ended as {is_}; it had to end as {must_be}")
    if len(fates) < len(wanted):
        found.append(f"only {len(fates)} of {len(wanted)} versions were made")
    found += _wrong_counts(story) + _wrong_commits(story)
    last = "3" if story.ending == "promoted" else "2"
    if story.champion != last:
        found.append(f"the champion is version {story.champion}; it had to be version {last}")
    return found


def _wrong_counts(story: Story) -> list[str]:
    found = [] if any(count.sent for count in story.requests.values()) else ["no request was sent"]
    for version, count in story.requests.items():
        planned = FAILING.get(story.fault) == version
        ratio = 1.0 if version == NOBODY else PLANNED_FAILURES_RATIO
        allowed = int(count.sent * ratio) + PLANNED_FAILURES_SPARE if planned else 0
        if count.failed > allowed:
            found.append(f"{count.failed} of {count.sent} requests to version {version} failed; allowed: {allowed}")
        if planned and not count.failed:
            found.append("version 3 had to fail some requests, and did not")
    for made in story.versions:
        served = story.requests.get(made.version, RequestCount(0, 0)).sent
        if made.fate == "refused" and served:
            found.append(f"version {made.version} was refused offline and yet answered {served} requests")
        if made.fate != "refused" and not served and not _stopped_in_the_shadow(story, made):
            found.append(f"version {made.version} answered no request")
    return found


def _stopped_in_the_shadow(story: Story, made: VersionFate) -> bool:
    """Whether a version was rolled back before any caller met it, as `shadow-then-canary` does."""
    own = [decision for decision in story.decisions if decision.version == made.version]
    return made.fate == "rolled-back" and any(one.verdict == "fail" and one.weight == 0 for one in own)


def _wrong_commits(story: Story) -> list[str]:
    reverts = [commit for commit in story.commits if commit.message.startswith("Revert")]
    found = []
    if not story.tree_equals_last_good:
        found.append("the environment repository's tree is not the last good one")
    if story.ending == "rolled-back" and not reverts:
        found.append("no commit reverts the bad version")
    if story.ending != "rolled-back" and reverts:
        found.append(f"a commit was reverted that is good: {reverts[-1].message.splitlines()[0]}")
    return found


def summary(story: Story) -> dict[str, Any]:
    """The content of `summary.json`."""
    found = faults_found(story)
    return {"ok": not found, **asdict(story), "problems": found}


def write_summary(story: Story, path: Path) -> None:
    """Writes the summary atomically."""
    write_atomically(path, json.dumps(summary(story), indent=2, ensure_ascii=False) + "\n")
