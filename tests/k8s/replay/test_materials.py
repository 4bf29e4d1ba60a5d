"""What a receipt names is found and checked; what is not there, or is another, is refused in a sentence."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from components.digest import sha256
from components.models.machine import this_machine
from components.registry.lock_files import LockFile
from components.registry.model_registry import connect
from components.store.content import Store
from k8s.replay.errors import ReplayError
from k8s.replay.materials import StoredFile, find_kept, gather
from tests.git_repository import commit_all, git
from tests.k8s.audit.known_version import make

LOCK = b"numpy==2\n"


@dataclass(frozen=True)
class There:
    mlflow: str
    code: Path
    commit: str
    snapshot: Path

    @property
    def store(self) -> Store:
        return Store(str(self.snapshot.parents[1]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> There:
    home = tmp_path_factory.mktemp("registered")
    code = home / "code"
    code.mkdir()
    git(code, "init", "-q")
    (code / "requirements.txt").write_bytes(LOCK)
    commit = commit_all(code)
    known = make(tmp_path_factory, home, commit, LOCK)
    (snapshot,) = (known.places.build / "store" / "snapshots").iterdir()
    return There(f"sqlite:///{known.places.build / 'mlflow' / 'mlflow.db'}", code, commit, snapshot)


@pytest.fixture
def there(made: There) -> Iterator[There]:
    content = made.snapshot.read_bytes()
    yield made
    made.snapshot.write_bytes(content)


def kept_with(there: There, **changes: Any) -> StoredFile:
    """The version, with a receipt that says something else."""
    kept, _ = find_kept(there.mlflow, "small", "1", there.store)
    receipt = kept.package.receipt.model_copy(update=changes)
    return replace(kept, package=replace(kept.package, receipt=receipt))


def refusal(there: There, repository: Path | None = None, **changes: Any) -> str:
    with pytest.raises(ReplayError) as raised:
        gather(kept_with(there, **changes), connect(there.mlflow), repository or there.code)
    return str(raised.value)


def test_what_is_there_is_found(there: There) -> None:
    kept, client = find_kept(there.mlflow, "small", "1", there.store)
    found = gather(kept, client, there.code)
    assert (found.lock, found.champion) == (LockFile("requirements.txt", LOCK), None)
    assert found.kept.snapshot == there.snapshot
    assert found.machine == this_machine()


def test_a_byte_of_the_data_that_was_changed_is_refused(there: There) -> None:
    content = bytearray(there.snapshot.read_bytes())
    content[100] ^= 1
    there.snapshot.write_bytes(content)
    with pytest.raises(ReplayError, match="was changed: its bytes are sha256"):
        find_kept(there.mlflow, "small", "1", there.store)


def test_data_that_is_gone_is_refused(there: There) -> None:
    there.snapshot.unlink()
    with pytest.raises(ReplayError, match="bring the snapshot sha256"):
        find_kept(there.mlflow, "small", "1", there.store)


def test_a_commit_that_is_not_here_is_refused(there: There, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert f"commit {there.commit} is not in this repository; `git fetch` it" in refusal(there, tmp_path)


def test_code_that_no_commit_has_is_refused(there: There) -> None:
    changed = refusal(there, code=f"{there.commit}-changed")
    assert f"differed from commit {there.commit} and are in no commit" in changed
    assert "train it in a clone" in refusal(there, code="sha256:" + "1" * 64)


def test_the_lock_of_the_image_that_trained_is_found(there: There) -> None:
    locks = there.code / "components" / "locks"
    locks.mkdir(parents=True)
    (locks / "cuda.txt").write_bytes(b"nvidia-cudnn-cu12==9\n")
    kept = kept_with(there, code=commit_all(there.code), lock=sha256(b"nvidia-cudnn-cu12==9\n"))
    found = gather(kept, connect(there.mlflow), there.code)
    assert found.lock == LockFile("components/locks/cuda.txt", b"nvidia-cudnn-cu12==9\n")


def test_another_lock_than_the_commits_is_refused(there: There) -> None:
    assert "other libraries trained it than its commit locks" in refusal(there, lock="sha256:" + "1" * 64)


def test_a_champion_that_is_not_registered_is_refused(there: There) -> None:
    assert "is not registered; bring its version back" in refusal(there, champion="sha256:" + "1" * 64)


def test_a_receipt_without_a_spec_is_refused(there: There) -> None:
    assert "keeps no spec" in refusal(there, spec={})


def test_a_version_or_a_registry_that_is_not_there_is_refused(there: There, tmp_path: Path) -> None:
    for version in ("2", "x"):
        with pytest.raises(ReplayError, match=f"version {version} of small is not in"):
            find_kept(there.mlflow, "small", version, there.store)
    with pytest.raises(ReplayError, match="`make train SERVICE=small` makes one"):
        find_kept(f"sqlite:///{tmp_path}/none.db", "small", "1", there.store)


@pytest.mark.parametrize("name", ["golden.jsonl", "model.onnx", "contract.json"])
def test_a_byte_of_the_package_that_was_changed_is_refused(there: There, name: str) -> None:
    folder = find_kept(there.mlflow, "small", "1", there.store)[0].package.path
    before = folder.with_name("before")
    shutil.copytree(folder, before)
    try:
        content = bytearray((folder / name).read_bytes())
        content[50] ^= 1
        (folder / name).write_bytes(content)
        with pytest.raises(ReplayError, match=f"{name}: was changed"):
            find_kept(there.mlflow, "small", "1", there.store)
    finally:
        shutil.rmtree(folder)
        before.rename(folder)
