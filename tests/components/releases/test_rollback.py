"""Reverts in real repositories: over file://, over the network, with two judges at once."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.errors import GitError, ReleaseError
from components.git.repository import Repository
from components.releases.environment_repository import EnvironmentRepository
from components.releases.rollback import Rollback, rollback_of, undo_release
from tests.git_repository import environment
from tests.patience import patient, patient_deadline

FILE = "k8s/envs/local/churn.yaml"
PACKAGE = "sha256:new"


def asking(service: str, version: str, package: str = PACKAGE, settings: str = "{}") -> str:
    return f"service: {service}\nversion: '{version}'\npackage: {package}\nsettings: {settings}\n"


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    """A repository with version 1 and version 2 of churn, then a commit of another service."""
    repository = Repository.create(tmp_path / "remote.git")
    repository.write(FILE, asking("churn", "1"), "Deploy churn 1")
    repository.write(FILE, asking("churn", "2"), "Deploy churn 2")
    repository.write("k8s/envs/local/fraud.yaml", asking("fraud", "2"), "Deploy fraud 2")
    return repository


def at(url: str) -> EnvironmentRepository:
    return EnvironmentRepository(url, "main", "k8s/envs/local")


@contextmanager
def daemon(folder: Path) -> Iterator[str]:
    """Runs Git's own server for the repositories in a folder; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["git", "daemon", "--listen=127.0.0.1", f"--port={port}", f"--base-path={folder}", "--export-all",
         "--enable=receive-pack", "--reuseaddr", str(folder)],
        stderr=subprocess.DEVNULL, env=environment(),
    )  # fmt: skip
    try:
        _wait_until_open(port)
        yield f"git://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(patient(10))


def _wait_until_open(port: int) -> None:
    deadline = patient_deadline(10)
    while time.monotonic() < deadline:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise TimeoutError(f"nothing listens on port {port}")


def test_the_commit_is_reverted_by_one_that_names_the_evidence(remote: Repository) -> None:
    bad = remote.log()[-2]
    made = undo_release(at(f"file://{remote.path}"), Rollback("churn", "2", PACKAGE), "fail: 5 % errors")
    assert made is not None
    assert remote.head() == made.id
    assert made.message == (
        f'Revert "Deploy churn 2"\n\nThis reverts commit {bad.id}.\n\n'
        "Version 2 (sha256:new) of churn was rolled back:\nfail: 5 % errors\n\nRolled-back: churn 2 sha256:new"
    )
    assert remote.read(FILE) == asking("churn", "1")
    assert remote.read("k8s/envs/local/fraud.yaml") == asking("fraud", "2")


def test_undoing_again_or_an_unwanted_version_changes_nothing(remote: Repository) -> None:
    """A second rollback, or one of a release that is not in the file, changes nothing."""
    url = f"file://{remote.path}"
    undo_release(at(url), Rollback("churn", "2", PACKAGE), "bad")
    head = remote.head()
    assert undo_release(at(url), Rollback("churn", "2", PACKAGE), "bad") is None
    assert undo_release(at(url), Rollback("churn", "3", PACKAGE), "bad") is None
    assert undo_release(at(url), Rollback("unknown", "2", PACKAGE), "bad") is None
    assert remote.head() == head


def test_a_release_of_this_version_with_another_package_stays(remote: Repository) -> None:
    assert undo_release(at(f"file://{remote.path}"), Rollback("churn", "2", "sha256:another"), "bad") is None


def test_a_revert_to_the_same_version_and_package_is_not_undone(remote: Repository) -> None:
    """A revert is not undone if the previous release had the same version and package."""
    remote.write(FILE, asking("churn", "2", settings="{CANARIO_WORKERS: '9'}"), "More workers")
    reason = "fail: slow"
    url = f"file://{remote.path}"
    assert undo_release(at(url), Rollback("churn", "2", PACKAGE), reason)
    assert undo_release(at(url), Rollback("churn", "2", PACKAGE), reason) is None
    assert remote.read(FILE) == asking("churn", "2")


def test_a_revert_is_not_undone_when_what_serves_again_fails_too(remote: Repository) -> None:
    url = f"file://{remote.path}"
    assert undo_release(at(url), Rollback("churn", "2", PACKAGE), "fail: slow")
    reason = "fail: slow"
    assert undo_release(at(url), Rollback("churn", "1", PACKAGE), reason) is None
    assert remote.read(FILE) == asking("churn", "1")


def test_two_judges_at_once_over_the_network_make_one_commit(remote: Repository) -> None:
    before = len(remote.log())
    with daemon(remote.path.parent) as address, ThreadPoolExecutor(4) as pool:
        environment = at(f"{address}/remote.git")
        made = list(pool.map(lambda _: undo_release(environment, Rollback("churn", "2", PACKAGE), "bad"), range(4)))
    assert len({commit.id for commit in made if commit}) == 1  # made in the same second, the commits are identical
    assert len(remote.log()) == before + 1
    assert remote.read(FILE) == asking("churn", "1")


def test_reverts_of_two_services_at_once_are_both_made(remote: Repository) -> None:
    with daemon(remote.path.parent) as address, ThreadPoolExecutor(2) as pool:
        environment = at(f"{address}/remote.git")
        made = list(
            pool.map(
                lambda service: undo_release(environment, Rollback(service, "2", PACKAGE), "bad"), ("churn", "fraud")
            )
        )
    assert None not in made
    assert (remote.read(FILE), remote.read("k8s/envs/local/fraud.yaml")) == (asking("churn", "1"), None)


def test_a_branch_that_takes_no_push_is_said(remote: Repository) -> None:
    hook = remote.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho main is protected >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    with pytest.raises(GitError, match=r"refused the commit 8 times: .*pre-receive hook declined"):
        undo_release(at(f"file://{remote.path}"), Rollback("churn", "2", PACKAGE), "bad")


def test_a_repository_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(GitError, match=r"git fetch failed: .*nowhere"):
        undo_release(at(f"file://{tmp_path}/nowhere.git"), Rollback("churn", "2", PACKAGE), "bad")


def test_a_file_that_is_no_yaml_is_said(remote: Repository) -> None:
    remote.write(FILE, "version: [", "Break it")
    with pytest.raises(ReleaseError, match=r"churn\.yaml: is not YAML"):
        undo_release(at(f"file://{remote.path}"), Rollback("churn", "2", PACKAGE), "bad")


def test_the_message_has_a_sentence_the_reason_and_a_trailer() -> None:
    rollback = Rollback("tiny", "3", "sha256:abc")
    message = f'Revert "Deploy"\n\n{rollback.message("it did not start")}'
    assert rollback.message("it did not start") == (
        "Version 3 (sha256:abc) of tiny was rolled back:\nit did not start\n\nRolled-back: tiny 3 sha256:abc\n"
    )
    trailers = subprocess.run(
        ["git", "interpret-trailers", "--parse"], input=message, capture_output=True, text=True, check=True
    )
    assert trailers.stdout == "Rolled-back: tiny 3 sha256:abc\n"
    assert rollback_of(message) == rollback


def test_undecided_has_a_sentence_and_a_trailer_of_its_own() -> None:
    undecided = Rollback("tiny", "3", "sha256:abc", undecided=True)
    text = undecided.message("undecided: no decision\n\nRolled-back: tiny 3 sha256:abc")
    assert text.startswith("Version 3 (sha256:abc) of tiny was undecided at its deadline and taken back:\nundecided: ")
    assert text.endswith("\n\nUndecided: tiny 3 sha256:abc\n")
    assert rollback_of(f'Revert "Deploy"\n\n{text}') == undecided != Rollback("tiny", "3", "sha256:abc")
    failed = Rollback("tiny", "3", "sha256:abc").message("undecided: no decision\n\nUndecided: tiny 3 sha256:abc")
    assert rollback_of(f'Revert "Deploy"\n\n{failed}') == Rollback("tiny", "3", "sha256:abc")


@pytest.mark.parametrize("undecided", [True, False])
def test_undecided_or_failed_is_undone_once_at_each_try(remote: Repository, undecided: bool) -> None:
    where, rollback = at(f"file://{remote.path}"), Rollback("churn", "2", PACKAGE, undecided)
    for _ in range(2):
        made = undo_release(where, rollback, "bad")
        assert made is not None
        assert rollback_of(made.message) == rollback
        assert undo_release(where, rollback, "bad") is None
        assert remote.read(FILE) == asking("churn", "1")
        remote.write(FILE, asking("churn", "2"), "Deploy churn 2 again")


def test_a_rollback_is_read_from_the_sentence_of_old_reverts() -> None:
    start = 'Revert "x"\n\nThis reverts commit 1.\n\n'
    old = f"{start}Version 3 (sha256:abc) of tiny was rolled back:\nfail: slow\n\n- slow: "
    assert rollback_of(old) == Rollback("tiny", "3", "sha256:abc")


@pytest.mark.parametrize(
    "message",
    [
        "Deploy churn 2\n\nPackage: sha256:abc",
        "Deploy\n\nRolled-back: tiny 3 sha256:abc\n\nThe paragraph above is a quotation.",
        "Deploy\n\nRolled-back: tiny 3",
        "Deploy\n\nUndecided: tiny 3 sha256:abc\n\nThe paragraph above is a quotation.",
        "Deploy\n\nundecided: tiny 3 sha256:abc",
        "Deploy\n\nas Version 3 (sha256:abc) of tiny was rolled back: no",
    ],
)
def test_other_commits_tell_of_no_rollback(message: str) -> None:
    assert rollback_of(message) is None
