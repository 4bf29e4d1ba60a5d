"""Content under its digest, in a folder and in a bucket; a store that is away for a while, and one that refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from components.digest import sha256
from components.errors import StoreError
from components.store.content import Kind, Store


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    yield Store(str(tmp_path / "store") if request.param == "folder" else f"memory://{tmp_path.name}/store")
    fsspec.filesystem("memory").store.clear()


def test_bytes_come_back_under_their_digest(store: Store) -> None:
    digest = store.put(Kind.SPEC, b"{}")
    assert digest == sha256(b"{}")
    assert store.put(Kind.SPEC, b"{}") == digest
    assert store.holds(Kind.SPEC, digest)
    assert store.get(Kind.SPEC, digest) == b"{}"
    assert not store.holds(Kind.OBJECT, digest)


def test_what_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(StoreError, match=r"specs/0+\.json: is not in the store"):
        store.get(Kind.SPEC, "sha256:" + "0" * 64)


def test_what_was_changed_is_refused(store: Store) -> None:
    digest = store.put(Kind.SPEC, b"{}")
    with fsspec.open(store.uri(Kind.SPEC, digest), "wb") as file:
        file.write(b"[]")
    with pytest.raises(StoreError, match="was changed: its bytes are sha256"):
        store.get(Kind.SPEC, digest)


def test_content_that_is_kept_already_is_not_written_again(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    digest = store.put(Kind.SPEC, b"{}")
    path = store.local(Kind.SPEC, digest)
    assert path is not None
    before = path.stat().st_mtime_ns
    store.put(Kind.SPEC, b"{}")
    assert path.stat().st_mtime_ns == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def folder_with(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_a_folder_comes_back_whole(store: Store, tmp_path: Path) -> None:
    folder = folder_with(tmp_path, receipt_json="{}", model_onnx="graph")
    store.put_folder(Kind.PACKAGE, "sha256:1", folder)
    back = store.get_folder(Kind.PACKAGE, "sha256:1", tmp_path / "back")
    assert {path.name: path.read_text() for path in back.iterdir()} == {"receipt.json": "{}", "model.onnx": "graph"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_that_was_broken_off_is_written_again(store: Store, tmp_path: Path) -> None:
    folder = folder_with(tmp_path, receipt_json="{}", model_onnx="graph")
    with fsspec.open(f"{store.uri(Kind.PACKAGE, 'sha256:1')}/model.onnx", "wb", auto_mkdir=True) as file:
        file.write(b"gra")
    assert not store.holds(Kind.PACKAGE, "sha256:1")
    store.put_folder(Kind.PACKAGE, "sha256:1", folder)
    assert (store.get_folder(Kind.PACKAGE, "sha256:1", tmp_path / "back") / "model.onnx").read_text() == "graph"


def test_only_a_folder_of_this_machine_has_a_path(tmp_path: Path) -> None:
    assert Store(str(tmp_path)).local(Kind.SPEC, "sha256:1") == tmp_path / "specs" / "1.json"
    assert Store(tmp_path.as_uri()).local(Kind.SPEC, "sha256:1") == tmp_path / "specs" / "1.json"
    assert Store("memory://x").local(Kind.SPEC, "sha256:1") is None


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "specs").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="the store refuses"):
        Store(str(tmp_path)).put(Kind.SPEC, b"{}")


def test_a_name_holds_what_was_written_last_until_it_is_removed(store: Store) -> None:
    assert store.read("trainings/a/result.json") is None
    for content in (b"1", b"2"):
        store.write("trainings/a/result.json", content)
    store.write("trainings/b/result.json", b"3")
    assert store.read("trainings/a/result.json") == b"2"
    store.remove("trainings/a")
    store.remove("trainings/a")
    assert (store.read("trainings/a/result.json"), store.read("trainings/b/result.json")) == (None, b"3")
