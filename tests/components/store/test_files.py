"""Files that belong together are kept under one digest."""

from pathlib import Path

import pytest

from components.errors import StoreError
from components.store.content import Kind, Store
from components.store.files import keep_files, kept_files

FILES = {"model.onnx": b"graph", "fit.json": b"{}"}


def test_the_same_files_have_the_same_digest(tmp_path: Path) -> None:
    one, other = Store(str(tmp_path / "one")), Store(str(tmp_path / "other"))
    digest = keep_files(one, FILES)
    assert kept_files(one, digest) == FILES
    assert keep_files(other, dict(reversed(FILES.items()))) == digest
    assert keep_files(other, {**FILES, "fit.json": b"[]"}) != digest
    assert keep_files(other, {"renamed.onnx": b"graph", "fit.json": b"{}"}) != digest


def test_a_changed_or_missing_file_is_refused(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    digest, graph = keep_files(store, FILES), store.put(Kind.OBJECT, b"graph")
    path = store.local(Kind.OBJECT, graph)
    assert path is not None
    path.write_bytes(b"other")
    with pytest.raises(StoreError, match="was changed"):
        kept_files(store, digest)
    path.unlink()
    with pytest.raises(StoreError, match="is not in the store"):
        kept_files(store, digest)
