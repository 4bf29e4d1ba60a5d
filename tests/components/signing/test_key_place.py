"""A key that a commit would take along is refused; one that Git ignores, or outside of its trees, is not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from components.errors import SigningError
from components.signing.key_place import check_key_place


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A work tree that ignores `ignored.pem`."""
    tree = tmp_path / "tree"
    (tree / "keys").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", str(tree)], check=True)
    (tree / ".gitignore").write_text("ignored.pem\n")
    return tree


def test_a_key_that_a_commit_would_take_along_is_refused(tree: Path) -> None:
    for name in ("key.pem", "keys/key.pem", "keys/not-there.pem"):
        with pytest.raises(SigningError, match=rf"^KEY=.*{name}: is in a work tree .* a commit would give it away"):
            check_key_place(tree / name)


def test_a_key_that_no_commit_takes_along_is_fine(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("")
    (tree / "link.pem").symlink_to(tmp_path / "key.pem")
    for key in (tree / "ignored.pem", tree / "keys/ignored.pem", tree / "link.pem", tmp_path / "no/such/folder.pem"):
        check_key_place(key)


def test_a_key_that_git_holds_is_not_saved_by_being_ignored(tree: Path, tmp_path: Path) -> None:
    key = tree / "ignored.pem"
    key.write_text("")
    (tmp_path / "link.pem").symlink_to(key)
    subprocess.run(["git", "-C", str(tree), "add", "--force", key.name], check=True)
    for path in (key, tmp_path / "link.pem"):
        with pytest.raises(SigningError, match="which does not ignore it"):
            check_key_place(path)


def test_where_git_cannot_tell_no_key_is_taken(tree: Path) -> None:
    (tree / ".git" / "config").write_text("broken [")
    with pytest.raises(SigningError, match="Git cannot tell whether a commit would give it away: fatal: bad config"):
        check_key_place(tree / "key.pem")
