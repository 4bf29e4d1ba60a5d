from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.code import IMAGE_LOCKS, LOCK_VARIABLE, ROOT, code_digest, lock_digest, require_code
from components.digest import sha256
from components.errors import CodeError
from components.registry.lock_files import LockFile, committed_lock
from components.registry.provenance import commit, run_name
from tests.components.small_table import small_spec
from tests.git_repository import commit_all, git

DATA = small_spec().data.model_dump()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
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


def test_an_image_with_other_code_than_the_pipeline_is_refused(checkout: Path) -> None:
    require_code(code_digest(checkout), checkout)
    with pytest.raises(CodeError, match=r"was made from code sha256:0.*make publish ENV=staging PART=components"):
        require_code("sha256:" + "0" * 64, checkout)


def test_a_run_is_named_after_code_spec_and_data_alone() -> None:
    given = (small_spec(), "sha256:a", "sha256:b")
    name = run_name(*given)
    assert name.startswith("small-")
    assert run_name(*given) == name
    assert run_name(small_spec(rollout={"step_weight": 5}, data={**DATA, "uri": "/elsewhere.csv"}), *given[1:]) == name
    others = [
        (small_spec(training={"seed": 8}), *given[1:]),
        (given[0], "sha256:c", given[2]),
        (*given[:2], "sha256:c"),
    ]
    assert len({name, *(run_name(*other) for other in others)}) == 4
