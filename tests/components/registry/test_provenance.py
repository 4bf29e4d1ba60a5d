from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.code import ROOT, code_digest, lock_digest, require_code
from components.errors import CodeError
from components.registry.provenance import commit, run_name
from tests.components.small_table import small_spec
from tests.git_repository import commit_all, git

DATA = small_spec().data.model_dump()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
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


def test_an_image_with_other_code_than_the_pipeline_is_refused(checkout: Path) -> None:
    require_code(code_digest(checkout), checkout)
    with pytest.raises(CodeError, match=r"was made from code sha256:0.*make publish PART=components"):
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
