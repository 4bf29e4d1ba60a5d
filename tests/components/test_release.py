from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from components.errors import ComponentError
from components.release import Proposal, release_version
from tests.git_repository import git

METRICS = {"roc_auc": 0.85}
DIGEST = "sha256:" + "d" * 64


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    bare = tmp_path / "environment.git"
    git(tmp_path, "init", "--quiet", "--bare", str(bare))
    git(tmp_path, "clone", "--quiet", str(bare), "first")
    (tmp_path / "first" / "README").write_text("here\n")
    git(tmp_path / "first", "add", "README")
    git(tmp_path / "first", "commit", "--quiet", "-m", "First")
    git(tmp_path / "first", "push", "--quiet", "origin", "HEAD")
    return bare


def proposal(repository: Path, version: str = "3", **settings: str) -> Proposal:
    return Proposal(str(repository), "demo", "small", version, DIGEST, settings)


def test_a_release_is_a_commit_with_version_package_and_metrics(repository: Path) -> None:
    """A release is a commit that names the version, the package and the metrics."""
    commit = release_version(proposal(repository, CANARIO_X="1"), METRICS)
    assert git(repository, "rev-parse", "HEAD") == commit
    file = yaml.safe_load(git(repository, "show", "HEAD:k8s/envs/demo/small.yaml"))
    assert file == {"service": "small", "version": "3", "package": DIGEST, "settings": {"CANARIO_X": "1"}}
    message = git(repository, "log", "-1", "--format=%an <%ae>%n%B")
    assert message.splitlines()[:2] == ["canario <canario@localhost>", "small: release version 3 to demo"]
    for part in (f"Package: {DIGEST}", "roc_auc: 0.8500", 'Settings: {"CANARIO_X": "1"}'):
        assert part in message
    assert git(repository, "ls-tree", "-r", "--name-only", "HEAD").splitlines() == [
        "README",
        "k8s/envs/demo/small.yaml",
    ]


def test_releasing_again_commits_nothing(repository: Path) -> None:
    first = release_version(proposal(repository), METRICS)
    assert release_version(proposal(repository), METRICS) == first
    assert git(repository, "rev-list", "--count", "HEAD") == "2"
    assert release_version(proposal(repository, "4"), METRICS) != first


def test_a_push_that_came_too_late_is_made_again(repository: Path) -> None:
    # The first push finds that somebody pushed in between.
    marker = repository / "pushed"
    hook = repository / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\n[ -e {marker} ] && exit 0\ntouch {marker}\nexit 1\n")
    hook.chmod(0o755)
    commit = release_version(proposal(repository), METRICS)
    assert marker.exists()
    assert git(repository, "rev-parse", "HEAD") == commit


def test_a_repository_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match=r"git clone: .*nowhere"):
        release_version(proposal(tmp_path / "nowhere"), METRICS)


def test_the_users_own_git_settings_do_not_matter(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text("[commit]\n\tgpgsign = true\n[user]\n\tname = other\n[core]\n\thooksPath = /nowhere\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("HOME", str(tmp_path))
    release_version(proposal(repository), METRICS)
    assert git(repository, "log", "-1", "--format=%an") == "canario"
    assert os.environ["HOME"] == str(tmp_path)
