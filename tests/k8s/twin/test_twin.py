"""The whole twin with the real judge: commits go in, versions answer, and a bad one is taken back."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from components.errors import ReleaseError
from components.git.repository import Repository
from components.releases.release_file import Release
from components.releases.rollback import Rollback, rollback_of
from k8s.release.service_status import ServiceStatus, status_on_twin
from k8s.twin import loopback
from k8s.twin.errors import ProcessError, TwinError
from k8s.twin.events import Event
from k8s.twin.processes import Program
from k8s.twin.twin import Twin
from tests.k8s.twin.tiny import SPEC, release, tiny_program, tiny_programs, traffic, wait_for
from tests.patience import patient


@dataclass(frozen=True)
class Running:
    twin: Twin
    repository: Repository
    promoted: list[str]
    seen: list[Event]

    def deploy(self, wanted: Release) -> Event:
        self.twin.deploy(wanted, f"Deploy tiny {wanted.version}")
        ended = self.twin.wait_for_end(wanted.version, patient(40))
        assert ended is not None
        return ended


def _twin(
    home: Path, promoted: list[str], seen: list[Event], deadline_minutes: float = 5, strategy: str = "canary"
) -> Twin:
    spec = home / "service.yaml"
    text = SPEC.format(deadline_minutes=deadline_minutes)
    programs = tiny_programs(home)

    def program_for(wanted: Release, port: int, peers: tuple[str, ...]) -> Program:
        if wanted.version == "404":
            raise ReleaseError("there is no package for it")
        return programs(wanted, port, peers)

    spec.write_text(text.replace("rollout:\n", f"rollout:\n  strategy: {strategy}\n"))
    return Twin(
        spec,
        home / "twin",
        Repository.create(home / "environment.git"),
        lambda _digest: None,
        interval_seconds=0.4,
        judge_interval_seconds=0.2,
        listener=seen.append,
        on_promoted=lambda wanted: promoted.append(wanted.version),
        program_for=program_for,
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    promoted: list[str] = []
    seen: list[Event] = []
    with _twin(tmp_path_factory.mktemp("twin"), promoted, seen) as twin:
        yield Running(twin, twin.repository, promoted, seen)


def test_a_good_version_is_promoted_and_a_bad_one_reverted(running: Running) -> None:
    """A good version is promoted, and a bad one is reverted with its evidence."""
    twin = running.twin
    assert running.deploy(release("1")).phase == "Initialized"
    with traffic(twin.url, callers=6, pause_seconds=0.002) as seen:
        assert running.deploy(release("2")).phase == "Succeeded"
        good = running.repository.head()
        bad = running.deploy(release("3", CANARIO_FAULT_ERROR_RATIO="0.5"))
        answered = seen.counts["2", 200]
        wait_for(lambda: seen.counts["2", 200] > answered + 50)
    assert bad.phase == "Failed"
    assert "requests ended in an error" in bad.reason
    states = {signal["name"]: signal["state"] for signal in bad.evidence["signals"]}
    # The tiny server does not tell when its requests arrived, as servers made before did not.
    assert states == {"error_ratio": "harm", "lost_ratio": "not judged"}
    assert set(seen.failed) == {("3", 500)}
    last = running.repository.log()[-1]
    assert last.subject == 'Revert "Deploy tiny 3"'
    assert bad.reason in last.message
    assert "- error_ratio: state harm, canary 0." in last.message
    assert running.repository.tree(last.id) == running.repository.tree(good)
    assert running.promoted == ["1", "2"]
    assert twin.champion == release("2")
    # The revert is a commit like any other: it is noticed, and starts nothing.
    wait_for(lambda: running.seen[-1].kind == "commit")
    decisions = [event.verdict for event in running.seen if event.kind == "decision"]
    assert decisions[-1] == "fail"
    assert "pass" in decisions
    lines = (twin.home / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in lines] == [event.kind for event in running.seen]


def test_an_undecided_version_is_reverted_and_tried_again(tmp_path: Path) -> None:
    """Without a request there is neither harm nor safety: each try ends undecided, is reverted as that, and no pass."""
    seen: list[Event] = []

    def ends() -> list[Event]:
        return [event for event in seen if (event.kind, event.version) == ("ended", "2")]

    with _twin(tmp_path, [], seen, deadline_minutes=0.01) as twin:
        Running(twin, twin.repository, [], seen).deploy(release("1"))
        good = twin.repository.tree(twin.repository.head())
        for tries in (1, 2):
            twin.deploy(release("2"), f"Deploy tiny 2, try {tries}")
            wait_for(lambda tries=tries: len(ends()) == tries, 40)  # type: ignore[misc]
            last = twin.repository.log()[-1]
            assert last.subject == f'Revert "Deploy tiny 2, try {tries}"'
            assert rollback_of(last.message) == Rollback("tiny", "2", release("2").package, undecided=True)
            assert twin.repository.tree(last.id) == good
            wait_for(lambda: seen[-1].kind == "commit")  # the revert is noticed before the next try
    assert [(event.phase, event.reason.partition(":")[0]) for event in ends()] == [("Failed", "undecided")] * 2
    words = [event.verdict for event in seen if event.kind == "decision" and event.verdict != "wait"]
    assert words == ["undecided"] * 2
    first = ServiceStatus("1", release("1").package, passed=False, under_way=False)
    assert status_on_twin(twin.home / "events.jsonl") == first


def test_a_file_that_cannot_be_used_changes_nothing(running: Running) -> None:
    if running.twin.champion is None:
        running.deploy(release("1"))
    running.repository.write(running.twin.file, "service: tiny\n", "A bad hand edit")
    refused = running.twin.events.wait_for(lambda event: event.kind == "refused", patient(10))
    assert refused is not None
    assert "version: Field required" in refused.reason
    answer = loopback.post(running.twin.url + "/predict", {"tenure": 1})
    assert answer is not None
    assert answer.status == 200


def test_when_the_twin_stops_nothing_is_left(tmp_path: Path) -> None:
    twin = _twin(tmp_path, [], [])
    before, threads = set(psutil.Process().children(recursive=True)), set(threading.enumerate())
    twin.start()
    twin.deploy(release("1"), "Deploy")
    assert twin.wait_for_end("1", patient(20)) is not None
    ours = set(psutil.Process().children(recursive=True)) - before
    assert len(ours) >= 6
    twin.stop()
    twin.stop()
    assert not any(process.is_running() for process in ours)
    assert loopback.get(twin.url + "/") is None
    assert set(threading.enumerate()) <= threads
    assert not [path for path in twin.home.rglob("*") if path.name.startswith(".")]


def test_a_twin_stops_at_once_while_a_version_is_still_starting(tmp_path: Path) -> None:
    spec = tmp_path / "service.yaml"
    spec.write_text(SPEC.format(deadline_minutes=5))

    def never_ready(wanted: Release, port: int, _peers: tuple[str, ...]) -> Program:
        program = tiny_program(tmp_path, port, wanted.version)
        return replace(program, command=(sys.executable, "-S", "-c", "import time; time.sleep(60)"))

    repository = Repository.create(tmp_path / "environment.git")
    before = set(psutil.Process().children(recursive=True))
    with Twin(spec, tmp_path / "twin", repository, lambda _digest: None, program_for=never_ready) as twin:
        twin.deploy(release("1"), "Deploy")
        assert twin.events.wait_for(lambda event: event.kind == "starting", patient(10)) is not None
        began = time.monotonic()
    assert time.monotonic() - began < patient(5)
    assert set(psutil.Process().children(recursive=True)) == before
    assert len(repository.log()) == 2  # a version that was interrupted is not a bad one


def test_a_twin_that_cannot_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("k8s.twin.gateway.find_traefik", lambda: str(tmp_path / "nothing"))
    before = set(psutil.Process().children(recursive=True))
    twin = _twin(tmp_path, [], [])
    with pytest.raises(ProcessError, match=r"gateway ended(?s:.*)nothing: cannot be started"):
        twin.start()
    assert set(psutil.Process().children(recursive=True)) == before


def test_under_basic_nothing_is_judged_and_nothing_reverted(tmp_path: Path) -> None:
    """Under basic there is no judge, so nothing is judged and nothing reverted."""
    promoted: list[str] = []
    seen: list[Event] = []
    with _twin(tmp_path, promoted, seen, strategy="basic") as twin:
        assert loopback.get(twin.judge_url + "/healthz") is None
        running = Running(twin, twin.repository, promoted, seen)
        assert running.deploy(release("1")).phase == "Initialized"
        bad = release("2", CANARIO_FAULT_ERROR_RATIO="0.5")
        assert running.deploy(bad).phase == "Succeeded"
        assert running.deploy(release("404")).phase == "Failed"
        assert twin.champion == bad
    assert promoted == ["1", "2"]
    assert [commit.subject for commit in twin.repository.log()][-3:] == [
        f"Deploy tiny {version}" for version in ("1", "2", "404")
    ]
    assert {event.weight for event in seen if event.kind == "weight"} == {100}


def test_a_strategy_that_needs_a_cluster_is_refused_at_once(tmp_path: Path) -> None:
    """A strategy that needs a cluster is refused before anything starts."""
    spec = tmp_path / "service.yaml"
    spec.write_text(SPEC.format(deadline_minutes=1).replace("rollout:\n", "rollout:\n  strategy: shadow\n"))
    repository = Repository.create(tmp_path / "environment.git")
    with pytest.raises(TwinError, match="shadow needs a cluster; the twin has canary, shadow-then-canary and basic"):
        Twin(spec, tmp_path / "twin", repository, lambda _digest: None)
