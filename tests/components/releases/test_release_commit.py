from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from components.errors import ComponentError
from components.releases.environment_repository import EnvironmentRepository, credentials_in
from components.releases.release_commit import ReleaseCommit, commit_release
from components.releases.release_file import Release
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


def commit(repository: Path, version: str = "3", **settings: str) -> str:
    return committed(repository, version, **settings).commit


def committed(repository: Path, version: str = "3", **settings: str) -> ReleaseCommit:
    where = EnvironmentRepository.of(str(repository), "demo")
    release = Release(service="small", version=version, package=DIGEST, settings=settings)
    return commit_release(where, "demo", release, METRICS)


def test_a_release_is_a_commit_with_version_package_and_metrics(repository: Path) -> None:
    """A release is a commit that names the version, the package and the metrics."""
    made = commit(repository, CANARIO_X="1")
    assert git(repository, "rev-parse", "HEAD") == made
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


def test_an_empty_repository_gets_its_first_branch(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "empty.git")
    made = commit(tmp_path / "empty.git")
    assert git(tmp_path / "empty.git", "rev-parse", "main") == made


def test_a_missing_branch_is_no_empty_repository(repository: Path) -> None:
    where = EnvironmentRepository(str(repository), "elsewhere", "k8s/envs/demo")
    release = Release(service="small", version="1", package=DIGEST)
    with pytest.raises(ComponentError, match="git fetch failed"):
        commit_release(where, "demo", release, METRICS)


def test_releasing_again_commits_nothing(repository: Path) -> None:
    first = commit(repository)
    assert commit(repository) == first
    assert git(repository, "rev-list", "--count", "HEAD") == "2"
    assert commit(repository, "4") != first


def test_what_was_rolled_back_does_not_come_back(repository: Path, tmp_path: Path) -> None:
    """A release that was rolled back is not brought back by the calendar."""
    good, bad = commit(repository, "1"), commit(repository, "2")
    git(tmp_path, "clone", "--quiet", str(repository), "judge")
    git(tmp_path / "judge", "revert", "--no-edit", bad)
    git(tmp_path / "judge", "push", "--quiet", "origin", "HEAD")
    again = committed(repository, "2")
    assert again.commit == ""
    assert again.says.startswith("version 2 was in demo until it was replaced or rolled back")
    assert committed(repository, "1").says.endswith("has it already")
    assert commit(repository, "1") == git(repository, "rev-parse", "HEAD") != good
    assert commit(repository, "3") == git(repository, "rev-parse", "HEAD")


def test_a_cluster_gets_no_release_without_an_image(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(repository), "followed")
    flux = tmp_path / "followed" / "k8s" / "envs" / "demo" / "flux"
    flux.mkdir(parents=True)
    (flux / "kustomization.yaml").write_text("resources: []\n")
    git(tmp_path / "followed", "add", ".")
    git(tmp_path / "followed", "commit", "--quiet", "-m", "A cluster follows demo")
    git(tmp_path / "followed", "push", "--quiet", "origin", "HEAD")
    with pytest.raises(ComponentError, match=r"small names none; name the registry for them \(REGISTRY="):
        commit(repository)


def test_a_secrets_texts_become_files_only_their_owner_reads(tmp_path: Path) -> None:
    assert credentials_in(tmp_path, {"GIT_USERNAME": "me"}) is None
    assert credentials_in(tmp_path, {"GIT_PASSWORD": "token"}) == tmp_path
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"username": "git", "password": "token"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_push_that_came_too_late_is_made_again(repository: Path) -> None:
    # Somebody else pushes before the first push.
    marker = repository / "pushed"
    hook = repository / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\n[ -e {marker} ] && exit 0\ntouch {marker}\nexit 1\n")
    hook.chmod(0o755)
    made = commit(repository)
    assert marker.exists()
    assert git(repository, "rev-parse", "HEAD") == made


def test_a_repository_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match=r"nowhere: git ls-remote failed: .*nowhere"):
        commit(tmp_path / "nowhere")


def test_the_users_own_git_settings_do_not_matter(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text("[commit]\n\tgpgsign = true\n[user]\n\tname = other\n[core]\n\thooksPath = /nowhere\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("HOME", str(tmp_path))
    commit(repository)
    assert git(repository, "log", "-1", "--format=%an") == "canario"
    assert os.environ["HOME"] == str(tmp_path)
