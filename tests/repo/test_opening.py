"""A training's pull request is opened once, and never on a guess about what is there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.git_repository import git
from tests.programs import program
from tests.repo.tree import ROOT

BRANCH = "release/staging/churn-7-abab"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with a release that was written, and a gh that writes down what it is told and knows of no request."""
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    folder = tmp_path / "clone"
    git(tmp_path, "init", "-q", "-b", "main", "clone")
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    (folder / ".gitignore").write_text("build\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "the tree")
    git(folder, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(folder, "push", "-q", "origin", "main")
    (folder / "k8s" / "envs" / "staging").mkdir(parents=True)
    (folder / "k8s" / "envs" / "staging" / "churn.yaml").write_text("service: churn\n")
    (folder / "build" / "request").mkdir(parents=True)
    for name, text in (("branch", BRANCH), ("title", "churn: release version 7"), ("body.md", "why")):
        (folder / "build" / "request" / name).write_text(f"{text}\n")
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin", "gh", f'echo "$1 $2" >> {tmp_path}/told')
    return folder


def opened(clone: Path) -> tuple[int, list[str]]:
    """The exit status, and what gh was told, in order."""
    told = clone.parent / "told"
    told.unlink(missing_ok=True)
    environment = {**os.environ, "PATH": f"{clone.parent / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", ".ci/open-request"], cwd=clone, env=environment, capture_output=True, check=False)
    return done.returncode, told.read_text().splitlines()


def test_a_branch_is_pushed_and_its_request_opened(clone: Path) -> None:
    assert opened(clone) == (0, ["auth setup-git", "pr list", "pr create"])
    assert git(clone, "ls-remote", "--heads", "origin", f"refs/heads/{BRANCH}").startswith(
        git(clone, "rev-parse", "HEAD")
    )
    assert git(clone, "show", "--name-only", "--format=%s", "HEAD").split("\n\n") == [
        "churn: release version 7",
        "k8s/envs/staging/churn.yaml",
    ]


def test_a_branch_that_is_there_stays(clone: Path) -> None:
    """A branch that is there stays, and one whose name only ends alike is another."""
    git(clone, "push", "-q", "origin", f"main:refs/heads/old/{BRANCH}")
    assert opened(clone)[0] == 0
    before = git(clone, "ls-remote", "--heads", "origin")
    assert f"refs/heads/{BRANCH}" in before.split()
    assert opened(clone) == (0, ["auth setup-git", "pr list", "pr create"])
    assert git(clone, "ls-remote", "--heads", "origin") == before


def test_a_remote_that_does_not_answer_is_an_error(clone: Path) -> None:
    """A remote that does not answer is not taken for one without the branch."""
    git(clone, "remote", "set-url", "origin", str(clone.parent / "nothing.git"))
    status, told = opened(clone)
    assert status != 0
    assert told == ["auth setup-git"]
    assert git(clone, "branch", "--show-current").strip() == "main"


def test_requests_that_cannot_be_listed_are_not_taken_for_none(clone: Path) -> None:
    program(clone.parent / "bin", "gh", f'echo "$1 $2" >> {clone.parent}/told; [ "$2" != list ]')
    status, told = opened(clone)
    assert status != 0
    assert told == ["auth setup-git", "pr list"]
