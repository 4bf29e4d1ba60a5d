from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.registry.provenance import ROOT, code_digest, commit, lock_digest
from tests.git_repository import commit_all, git


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CANARIO_COMMIT", raising=False)
    (tmp_path / "components").mkdir()
    shutil.copy(ROOT / "components" / "errors.py", tmp_path / "components")
    (tmp_path / "requirements.txt").write_text("numpy==1\n")
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
    assert len({before, locked, code_digest(checkout)}) == 3


def test_the_lock_file_is_the_repositorys() -> None:
    assert lock_digest().startswith("sha256:")
