"""`make replay` on versions that this very code trained, in a repository of their own."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from components.registry.model_registry import promote
from components.store.content import Store
from k8s.replay.alone import isolation
from k8s.replay.errors import ReplayError
from k8s.replay.materials import find_kept, gather
from k8s.replay.rebuild import checked_out, rebuild
from tests.git_repository import git
from tests.k8s.replay.colleague import Colleague, committed_code

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Colleague:
    """This tree's code in one commit; version 1, promoted, and version 2, which was compared with it."""
    made = Colleague(tmp_path_factory.mktemp("clone"))
    committed_code(made.home)
    made.train(600)
    promote(made.mlflow, "small", "1")
    made.train(700)
    return made


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_version_is_made_again_to_the_last_byte(
    clone: Colleague, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clone.replay(version) == 0
    said = capsys.readouterr().out
    assert f"version {version} of small was made again to the last byte" in said
    assert "network   none" in said
    record = clone.record(version)
    assert (record["verdict"], record["rebuilt"], record["different"]) == ("equal", record["package"], [])
    assert git(clone.code, "worktree", "list").count("\n") == 0
    assert git(clone.code, "status", "--porcelain") == ""


def test_a_commit_that_git_would_replace_is_not_believed(clone: Colleague) -> None:
    """A replay takes the commit itself, and not the one that git would show in its place."""
    first = git(clone.code, "rev-parse", "HEAD")
    (clone.code / "components" / "train.py").write_text("raise SystemExit(1)\n")
    git(clone.code, "commit", "-qam", "broken")
    git(clone.code, "replace", first, "HEAD")
    try:
        assert clone.replay("1") == 0
    finally:
        git(clone.code, "replace", "-d", first)
        git(clone.code, "reset", "-q", "--hard", first)


def test_a_training_that_fails_leaves_nothing_and_says_so(clone: Colleague, tmp_path: Path) -> None:
    kept, client = find_kept(clone.mlflow, "small", "1", Store(str(clone.build / "store")))
    found = gather(kept, client, clone.code)
    receipt = kept.package.receipt.model_copy(update={"spec": {"name": "small"}})
    broken = replace(found, kept=replace(kept, package=replace(kept.package, receipt=receipt)))
    with (
        checked_out(clone.code, receipt.code, tmp_path / "tree") as tree,
        pytest.raises(ReplayError, match="ended with 2 and left no result"),
    ):
        rebuild(broken, tree, Path(sys.executable), isolation(), tmp_path)
    assert not (tmp_path / "tree").exists()
    assert git(clone.code, "worktree", "list").count("\n") == 0
