"""A commit is noticed once, and a file that cannot be used changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from components.git.repository import Repository
from components.releases.release_file import Release, release_text
from k8s.twin.events import Event, Events
from k8s.twin.rollout import DesiredRelease
from k8s.twin.sync import Sync
from tests.git_repository import git
from tests.k8s.twin.tiny import release

FILE = "k8s/envs/twin/tiny.yaml"


@dataclass
class Followed:
    repository: Repository
    wanted: list[DesiredRelease] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    champion: Release | None = None
    sync: Sync = field(init=False)

    def __post_init__(self) -> None:
        events = Events(self.repository.path.parent / "events.jsonl", self.events.append)
        self.sync = Sync(self.repository, FILE, "tiny", events, self.wanted.append, lambda: self.champion)

    def commit(self, text: str, subject: str = "Deploy") -> str:
        return self.repository.write(FILE, text, subject).id


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(Repository.create(tmp_path / "environment.git"))


def test_a_release_is_asked_for_once_with_its_commit(followed: Followed) -> None:
    """A release is asked for once, with the commit that changed its file."""
    commit = followed.commit(release_text(release("1")), "Deploy 1\n\nwith a body")
    followed.repository.write("other.yaml", "x\n", "Something else")
    assert [followed.sync.poll() for _ in range(3)] == [True, False, False]
    assert followed.wanted == [DesiredRelease(release("1"), commit)]
    (event,) = followed.events
    assert (event.kind, event.version, event.reason, event.evidence) == ("commit", "1", "Deploy 1", {"commit": commit})


def test_commits_to_other_files_are_none_of_our_business(followed: Followed) -> None:
    followed.commit(release_text(release("1")))
    followed.sync.poll()
    followed.repository.write("other.yaml", "x\n", "Something else")
    assert not followed.sync.poll()
    assert len(followed.wanted) == 1


def test_only_the_latest_of_several_commits_is_asked_for(followed: Followed) -> None:
    followed.commit(release_text(release("1")))
    followed.commit(release_text(release("2")))
    followed.sync.poll()
    assert [wanted.release.version for wanted in followed.wanted] == ["2"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("service: tiny\n", "version: Field required"),
        ("{", "not YAML"),
        (release_text(release("1").model_copy(update={"service": "fraud"})), "'fraud' is another service"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_reason(followed: Followed, text: str, reason: str) -> None:
    followed.commit(text)
    assert not followed.sync.poll()
    assert followed.wanted == []
    (event,) = followed.events
    assert event.kind == "refused"
    assert reason in event.reason
    followed.commit(release_text(release("2")), "Mend it")
    assert followed.sync.poll()


def test_a_file_that_is_removed_leaves_the_version_that_runs(followed: Followed) -> None:
    commit = followed.commit(release_text(release("1")))
    followed.sync.poll()
    followed.repository.revert(commit, "oops")
    assert not followed.sync.poll()
    assert "was removed; the version that runs goes on" in followed.events[-1].reason


def test_two_releases_never_share_a_version(followed: Followed) -> None:
    followed.champion = release("1")
    followed.commit(release_text(release("1", CANARIO_FAULT_SLOW_RATIO="0.5")))
    assert not followed.sync.poll()
    assert "version 1 already runs with another package or other settings" in followed.events[-1].reason


def test_going_back_to_the_champion_is_asked_for(followed: Followed) -> None:
    followed.champion = release("1")
    followed.commit(release_text(release("1")))
    assert followed.sync.poll()


def test_a_forced_branch_is_refused_until_it_contains_what_ran(followed: Followed) -> None:
    """A forced branch is refused, with one message, until it contains the commit that ran."""
    kept = followed.commit(release_text(release("1")))
    followed.sync.poll()
    first = followed.repository.log()[0].id
    git(followed.repository.path, "update-ref", "refs/heads/main", first)
    forced = followed.commit(release_text(release("2")))
    assert not followed.sync.poll()
    assert not followed.sync.poll()
    refused = [event for event in followed.events if event.kind == "refused"]
    assert len(refused) == 1
    assert f"forced to {forced[:10]}, which does not contain {kept[:10]}" in refused[0].reason
    assert [wanted.release.version for wanted in followed.wanted] == ["1"]
    git(followed.repository.path, "update-ref", "refs/heads/main", kept)
    followed.commit(release_text(release("3")))
    assert followed.sync.poll()
    assert [wanted.release.version for wanted in followed.wanted] == ["1", "3"]
