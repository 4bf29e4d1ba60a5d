from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.code import IMAGE_LOCKS, LOCK_VARIABLE, ROOT, code_digest, lock_digest
from components.digest import sha256
from components.registry.lock_files import LockFile, committed_lock
from components.registry.provenance import commit
from tests.git_repository import commit_all, git


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CANARIO_COMMIT", raising=False)
    (tmp_path / "components").mkdir()
    shutil.copy(ROOT / "components" / "errors.py", tmp_path / "components")
    (tmp_path / "requirements.txt").write_text("numpy==1\n")
    (tmp_path / IMAGE_LOCKS).mkdir()
    (tmp_path / IMAGE_LOCKS / "cuda.txt").write_text("numpy==1\nnvidia-cudnn-cu12==9\n")
    git(tmp_path, "init", "--quiet")
    commit_all(tmp_path)
    return tmp_path


def test_a_checkout_is_named_by_its_commit_and_by_changes(checkout: Path) -> None:
    """A clean checkout is named by its commit; a changed one also says that it is changed."""
    clean = commit(checkout)
    assert len(clean) == 40
    (checkout / "requirements.txt").write_text("numpy==2\n")
    assert commit(checkout) == f"{clean}-changed"


def test_an_image_says_its_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARIO_COMMIT", "c0ffee")
    assert commit(checkout) == "c0ffee"


def test_code_in_no_commit_is_named_by_its_digest(checkout: Path) -> None:
    shutil.rmtree(checkout / ".git")
    assert commit(checkout) == code_digest(checkout)


def test_the_codes_digest_follows_every_file_that_decides(checkout: Path) -> None:
    before = code_digest(checkout)
    (checkout / "requirements.txt").write_text("numpy==2\n")
    locked = code_digest(checkout)
    (checkout / "components" / "errors.py").write_text("")
    changed = code_digest(checkout)
    (checkout / IMAGE_LOCKS / "cuda.txt").write_text("numpy==1\n")
    assert len({before, locked, changed, code_digest(checkout)}) == 4


def test_the_lock_is_the_repositorys_or_the_images_own(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of a process is the repository's, unless an image names its own."""
    assert lock_digest(checkout) == sha256(b"numpy==1\n")
    monkeypatch.setenv(LOCK_VARIABLE, f"{IMAGE_LOCKS}/cuda.txt")
    assert lock_digest(checkout) == sha256(b"numpy==1\nnvidia-cudnn-cu12==9\n")


def test_a_receipts_lock_is_found_in_its_commit(checkout: Path) -> None:
    made = commit(checkout)
    (checkout / IMAGE_LOCKS / "cuda.txt").unlink()
    (checkout / "requirements.txt").write_text("numpy==2\n")
    commit_all(checkout)
    whole, cuda = b"numpy==1\n", b"numpy==1\nnvidia-cudnn-cu12==9\n"
    assert committed_lock(checkout, made, sha256(whole)) == LockFile("requirements.txt", whole)
    assert committed_lock(checkout, made, sha256(cuda)) == LockFile(f"{IMAGE_LOCKS}/cuda.txt", cuda)
    assert committed_lock(checkout, commit(checkout), sha256(cuda)) is None


def test_the_lock_of_the_steps_is_found_at_its_former_place(checkout: Path) -> None:
    """A commit from before the images had a lock each still has the lock that its receipts name."""
    (checkout / "components" / "requirements.txt").write_text("numpy==3\n")
    commit_all(checkout)
    found = committed_lock(checkout, commit(checkout), sha256(b"numpy==3\n"))
    assert found == LockFile("components/requirements.txt", b"numpy==3\n")
