"""Commits, reverts and the trees they leave, in a real bare repository."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.errors import GitError
from components.git.repository import Repository
from tests.git_repository import commit_all, git

FILE = "k8s/envs/demo/churn.yaml"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "environment.git")


def test_a_new_repository_has_one_empty_commit_and_is_kept(repository: Repository) -> None:
    """A new repository has one empty commit; an existing one is kept."""
    head = repository.head()
    assert [commit.message for commit in repository.log()] == ["Begin an empty environment"]
    assert Repository.create(repository.path).head() == head
    assert repository.read(FILE) is None
    assert repository.last_change(FILE) is None


def test_what_is_written_is_read_back_from_every_commit(repository: Repository) -> None:
    first = repository.write(FILE, "version: 1\n", "Deploy 1\n\nfür alle")
    second = repository.write(FILE, "version: 2 ü\n", "Deploy 2")
    assert repository.read(FILE) == "version: 2 ü\n"
    assert repository.read(FILE, first.id) == "version: 1\n"
    assert (first.subject, first.message) == ("Deploy 1", "Deploy 1\n\nfür alle")
    assert repository.last_change(FILE) == second.id == repository.head()


def test_writing_what_is_there_makes_no_commit(repository: Repository) -> None:
    first = repository.write(FILE, "same\n", "One")
    assert repository.write(FILE, "same\n", "Two") == first
    assert len(repository.log()) == 2


def test_files_written_together_are_one_commit_and_one_revert(repository: Repository) -> None:
    """Files written together make one commit and are undone together."""
    rendered = "k8s/envs/demo/rendered/churn.yaml"
    good = repository.write_all({FILE: "version: 1\n", rendered: "one\n"}, "Deploy 1")
    bad = repository.write_all({FILE: "version: 2\n", rendered: "two\n"}, "Deploy 2")
    assert repository.changed(bad.id) == [FILE, rendered]
    made = repository.revert(bad.id, "5 % errors against 0 %.")
    assert made is not None
    assert repository.changed(made.id) == [FILE, rendered]
    assert repository.tree(made.id) == repository.tree(good.id)


def test_the_newest_files_are_exported(repository: Repository, tmp_path: Path) -> None:
    repository.export(tmp_path / "none")
    repository.write(FILE, "version: 1\n", "Deploy 1")
    repository.write_all({FILE: "version: 2 ü\n", "README": ""}, "Deploy 2")
    repository.export(tmp_path / "files")
    found = {str(path.relative_to(tmp_path / "files")): path.read_text() for path in (tmp_path / "files").rglob("*.*")}
    assert found == {FILE: "version: 2 ü\n"}
    assert (tmp_path / "files" / "README").read_text() == ""


def test_a_link_is_exported_as_a_file(repository: Repository, tmp_path: Path) -> None:
    """A link that somebody committed leads nowhere: it could name any file of this machine."""
    git(tmp_path, "clone", "--quiet", str(repository.path), "clone")
    (tmp_path / "clone" / "link").symlink_to("/etc/passwd")
    commit_all(tmp_path / "clone")
    git(tmp_path / "clone", "push", "--quiet")
    repository.export(tmp_path / "files")
    assert not (tmp_path / "files" / "link").is_symlink()
    assert (tmp_path / "files" / "link").read_text() == "/etc/passwd"


def test_a_branch_is_deleted_at_the_remote_only_as_it_was_known(repository: Repository, tmp_path: Path) -> None:
    repository.branched("proposal").write(FILE, "version: 2\n", "Propose 2")
    mine = Repository(Repository.create(tmp_path / "mine.git").path, "proposal")
    mine.fetch(str(repository.path))
    known = mine.head()
    there = Repository(repository.path, "proposal")
    there.write(FILE, "version: 3\n", "Propose 3")
    assert "stale" in mine.delete(str(repository.path), known)
    assert there.read(FILE) == "version: 3\n"
    assert mine.delete(str(repository.path), there.head()) == ""
    with pytest.raises(GitError, match="there is no branch proposal"):
        there.head()


def test_a_revert_says_its_reason_and_brings_back_the_tree(repository: Repository) -> None:
    """A revert names the commit and the reason, and brings back the tree."""
    good = repository.write(FILE, "version: 1\n", "Deploy 1")
    bad = repository.write(FILE, "version: 2\n", "Deploy 2")
    made = repository.revert(bad.id, "5 % errors against 0 %.")
    assert made is not None
    assert made.message == f'Revert "Deploy 2"\n\nThis reverts commit {bad.id}.\n\n5 % errors against 0 %.'
    assert repository.tree(made.id) == repository.tree(good.id) != repository.tree(bad.id)
    assert repository.log()[-1] == made


def test_reverting_twice_does_nothing_the_second_time(repository: Repository) -> None:
    repository.write(FILE, "version: 1\n", "Deploy 1")
    bad = repository.write(FILE, "version: 2\n", "Deploy 2")
    repository.revert(bad.id, "bad")
    head = repository.head()
    assert repository.revert(bad.id, "bad") is None
    assert repository.head() == head


def test_reverting_the_first_version_removes_the_file(repository: Repository) -> None:
    empty = repository.head()
    made = repository.revert(repository.write(FILE, "version: 1\n", "Deploy 1").id, "bad")
    assert made is not None
    assert repository.read(FILE) is None
    assert repository.tree(made.id) == repository.tree(empty)


def test_a_revert_leaves_other_files_alone(repository: Repository) -> None:
    repository.write(FILE, "version: 1\n", "Deploy 1")
    bad = repository.write(FILE, "version: 2\n", "Deploy 2")
    repository.write("k8s/envs/demo/fraud.yaml", "version: 7\n", "Deploy fraud 7")
    repository.revert(bad.id, "bad")
    assert (repository.read(FILE), repository.read("k8s/envs/demo/fraud.yaml")) == ("version: 1\n", "version: 7\n")


def test_an_older_text_never_wins_over_a_newer_commit(repository: Repository) -> None:
    repository.write(FILE, "version: 1\n", "Deploy 1")
    bad = repository.write(FILE, "version: 2\n", "Deploy 2")
    newer = repository.write(FILE, "version: 3\n", "Deploy 3")
    with pytest.raises(GitError, match="was changed again"):
        repository.revert(bad.id, "bad")
    assert repository.head() == newer.id


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=2, max_size=4, unique=True)
)
def test_undoing_all_commits_walks_back_through_the_trees(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    """Undoing every commit in turn walks back through the trees."""
    repository = Repository.create(tmp_path_factory.mktemp("walk") / "r.git")
    made = [repository.write(FILE, text, f"Write {number}") for number, text in enumerate(texts)]
    for number in range(len(made) - 1, 0, -1):
        undone = repository.revert(made[number].id, "walk back")
        assert undone is not None
        assert repository.tree(undone.id) == repository.tree(made[number - 1].id)


def test_files_with_odd_names_are_written_and_reverted(repository: Repository) -> None:
    made = repository.write("k8s/envs/déjà vu/a\tb.yaml", "x\n", "Odd")
    assert repository.read("k8s/envs/déjà vu/a\tb.yaml") == "x\n"
    repository.revert(made.id, "bad")
    assert repository.read("k8s/envs/déjà vu/a\tb.yaml") is None


def test_two_writers_lose_none_of_their_commits(repository: Repository) -> None:
    def write(name: str) -> None:
        for number in range(6):
            repository.write(f"{name}.yaml", f"{number}\n", f"{name} {number}")

    threads = [threading.Thread(target=write, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (repository.read("a.yaml"), repository.read("b.yaml")) == ("5\n", "5\n")
    assert len(repository.log()) == 13


def test_the_users_own_git_settings_play_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    hooks = home / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "reference-transaction").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "reference-transaction").chmod(0o755)
    (home / ".gitconfig").write_text(
        f"[core]\n hooksPath = {hooks}\n[user]\n name = Somebody\n[commit]\n gpgSign = true\n"
        "[init]\n defaultBranch = odd\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody else")
    repository = Repository.create(tmp_path / "r.git")
    repository.write(FILE, "x\n", "Deploy")
    said = git(repository.path, "log", "-1", "--format=%an <%ae> %cn")
    assert said == "canario <canario@localhost> canario"


def test_what_git_refuses_is_told(tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GitError, match="there is no branch main"):
        Repository(tmp_path / "nothing.git").head()
    with pytest.raises(GitError, match="there is no commit deadbeef"):
        repository.show("deadbeef")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="install git"):
        repository.head()
