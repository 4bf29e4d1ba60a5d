from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import GitError
from components.git.command import git
from tests.git_repository import git as person


def test_a_repository_is_read_whatever_the_users_settings_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another"))
    git(tmp_path, "init", "-q")
    assert git(tmp_path, "rev-parse", "--git-dir") == b".git\n"


def test_a_commit_is_its_own_bytes_and_not_what_replaces_it(tmp_path: Path) -> None:
    person(tmp_path, "init", "-q")
    for message in ("first", "second"):
        person(tmp_path, "commit", "-q", "--allow-empty", "-m", message)
    person(tmp_path, "replace", "HEAD^", "HEAD")
    assert git(tmp_path, "log", "-1", "--format=%s", "HEAD^") == b"first\n"


def test_what_git_refuses_is_an_error_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(GitError, match=r"git rev-parse --verify failed: .*not a git repository"):
        git(tmp_path, "rev-parse", "--verify", "HEAD")
