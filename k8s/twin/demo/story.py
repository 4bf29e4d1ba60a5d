"""The demo's story: two good versions and a third, from the table to the last decision."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from components.errors import ComponentError
from components.git.repository import Repository
from components.package.model_package import read_package
from components.registry.model_registry import promote
from components.releases.canary_status import FAILED, INITIALIZED, SUCCEEDED
from components.releases.release_file import Release
from components.spec.contract import Spec
from components.store.content import Kind, Store
from components.table.cells import read_table
from components.table.examples import Examples, examples_of
from components.table.holdout import split_examples
from components.table.wording import reading_of
from k8s.twin.demo.faults import Fault, third_version, write_spec
from k8s.twin.demo.recorder import VerdictRecorder
from k8s.twin.demo.rows import early_examples, write_rows
from k8s.twin.demo.sensitivity import most_moving_number
from k8s.twin.demo.terminal import Terminal
from k8s.twin.demo.traffic import Traffic
from k8s.twin.demo.training import TrainedVersion, TrainingRun
from k8s.twin.errors import TwinError
from k8s.twin.events import Event
from k8s.twin.rollout import is_undecided
from k8s.twin.summary import CommitSummary, Decision, Ending, Fate, RequestCount, Story, VersionFate
from k8s.twin.twin import Twin
from services.judge.errors import JudgeError

ENVIRONMENT = "demo"
#: The demo's only setting of its own: the spec's interval suits a cluster, and here a person is watching.
INTERVAL_SECONDS = 1.5
#: A rollout on this machine takes half a minute; after this long it is given up.
ROLLOUT_SECONDS = 180.0
#: So long callers use a third version that nobody judges, before the demo ends.
UNJUDGED_SECONDS = 5.0

#: The phases that end a rollout, and how a version is remembered after them.
_FATES: dict[str, Fate] = {INITIALIZED: "champion", SUCCEEDED: "promoted", FAILED: "rolled-back"}


def fate_at(end: Event) -> Fate:
    """How a version is remembered after the phase that ended its rollout."""
    undecided = end.phase == FAILED and is_undecided(end.reason)
    return "undecided" if undecided else _FATES[end.phase]


class DemoError(Exception):
    """The story cannot go on; the message says why."""


@dataclass
class Progress:
    """The events so far, from which the summary is made even if the demo breaks off."""

    packages: dict[str, str | None] = field(default_factory=dict)
    fates: dict[str, Fate] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    requests: dict[str, RequestCount] = field(default_factory=dict)
    canary: tuple[str, int] = ("", 0)
    champion: str | None = None
    last_good: str = ""


class Demo:
    """One run of the demo, in a folder of its own."""

    def __init__(self, spec: Spec, fault: Fault, home: Path, terminal: Terminal) -> None:
        """Makes the environment repository; nothing runs yet."""
        self._spec, self._fault, self._home, self._terminal = spec, fault, home, terminal
        self._began = time.time()
        self._judged = spec.rollout.has_canary
        self._ending: Ending = "rolled-back"
        self._explanation = ""
        self._done = Progress()
        self._repository = Repository.create(home / "environment.git")
        self._training = TrainingRun(home, self._repository.path, ENVIRONMENT)
        self._spec_path = write_spec(spec, home / "service.yaml")
        self._twin = Twin(
            self._spec_path,
            home / "twin",
            self._repository,
            self._find_package,
            environment=ENVIRONMENT,
            interval_seconds=INTERVAL_SECONDS,
            listener=self._hear,
            on_promoted=self._promoted,
        )

    def run(self) -> Story:
        """Runs the whole demo; what goes wrong is listed in the story's problems."""
        recorder = VerdictRecorder(
            self._twin.judge_url, self._spec.name, self._home / "record" / "verdicts.jsonl", lambda: self._done.canary
        )
        try:
            examples = examples_of(read_table(self._spec.data.uri, reading_of(self._spec)), self._spec)
            with self._twin, recorder:
                self._first(examples)
                with Traffic(self._twin.url, self._spec_path, self._live_rows(examples), self._home) as traffic:
                    self._second()
                    self._third(examples)
                self._done.requests = traffic.requests()
        except (ComponentError, TwinError, JudgeError, DemoError) as error:
            self._done.problems.append(str(error))
        return self._story()

    # --- the three versions ----------------------------------------------------------------

    def _first(self, examples: Examples) -> None:
        early = early_examples(examples, self._spec)
        path = write_rows(early, self._home / "data" / "early.parquet")
        self._terminal.chapter(f"1  Version 1 learns from an early part: {len(early):,} of {len(examples):,} rows")
        self._train(1, self._spec_path, str(path), {})
        self._terminal.chapter("2  A commit deploys version 1")
        self._await_end("1")

    def _second(self) -> None:
        becomes = "becomes a canary" if self._judged else "takes over"
        self._terminal.chapter(f"3  Under live traffic: version 2 learns from all rows and {becomes}")
        self._train(2, self._spec_path, self._spec.data.uri, {})
        self._await_end("2")

    def _third(self, examples: Examples) -> None:
        feature = most_moving_number(read_package(self._package_of("2")), self._spec, examples)
        third = third_version(self._fault, self._spec, feature, self._home / "third")
        self._ending, self._explanation = third.ending, third.explanation
        self._terminal.chapter(f"4  Version 3: {third.explanation}")
        trained = self._train(3, third.spec, third.data, third.settings)
        if not trained.refused:
            self._await_end("3")
            if not self._judged:
                time.sleep(UNJUDGED_SECONDS)

    def _live_rows(self, examples: Examples) -> Path:
        """Rows that no version learns from: tomorrow's customers."""
        return write_rows(split_examples(examples, self._spec).holdout, self._home / "data" / "live.parquet")

    def _train(self, number: int, spec: Path, data: str, settings: dict[str, str]) -> TrainedVersion:
        trained = self._training.train(number, spec, data, settings)
        self._done.packages[str(number)] = trained.package
        if trained.refused:
            self._terminal.line(f"[red]refused offline:[/red] {trained.refused}")
            self._done.fates[str(number)] = "refused"
            if number < 3:
                raise DemoError(f"version {number} did not pass its gates: {trained.refused}")
        return trained

    def _await_end(self, version: str) -> None:
        if self._twin.wait_for_end(version, ROLLOUT_SECONDS) is None:
            raise DemoError(f"version {version} came to no end within {ROLLOUT_SECONDS:g} s; see {self._home / 'twin'}")

    # --- what the twin tells --------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        self._terminal.event(event)
        done = self._done
        if event.kind == "weight":
            done.canary = (event.version, event.weight if event.weight < 100 else 0)
        if event.kind in {"died", "refused", "error"}:
            done.problems.append(event.reason)
        if event.kind == "phase" and event.phase in _FATES:
            self._end(event)
        if event.kind == "decision":
            at = round(event.at - self._began, 2)
            decision = Decision(at, event.version, event.weight, event.verdict, event.reason, event.evidence)
            done.decisions.append(decision)
            self._terminal.standing(f"version {event.version} has {event.weight} %: {event.reason}")

    def _end(self, event: Event) -> None:
        self._done.fates[event.version] = fate_at(event)
        self._done.canary = ("", 0)
        self._terminal.rest()

    def _promoted(self, release: Release) -> None:
        promote(self._training.tracking, self._spec.name, release.version)
        self._done.champion = release.version
        self._done.last_good = self._repository.head()
        self._terminal.line(f"alias champion: version {release.version}")

    def _find_package(self, digest: str) -> Path | None:
        path = Store(str(self._training.store)).local(Kind.PACKAGE, digest)
        return path if path and path.is_dir() else None

    def _package_of(self, version: str) -> Path:
        digest = self._done.packages[version]
        path = self._find_package(digest) if digest else None
        if path is None:
            raise DemoError(f"the package {digest} is not in {self._training.store}")
        return path

    # --- the end ------------------------------------------------------------------------------

    def _story(self) -> Story:
        done, repository = self._done, self._repository
        good = done.last_good
        return Story(
            service=self._spec.name,
            fault=self._fault,
            explanation=self._explanation,
            ending=self._ending,
            seconds=round(time.time() - self._began, 1),
            versions=tuple(
                VersionFate(version, package, done.fates.get(version, "unfinished"))
                for version, package in done.packages.items()
            ),
            decisions=tuple(done.decisions),
            requests=done.requests,
            commits=tuple(CommitSummary(commit.id, commit.message) for commit in repository.log()),
            tree_equals_last_good=bool(good) and repository.tree(repository.head()) == repository.tree(good),
            champion=done.champion,
            problems=tuple(done.problems),
        )
