"""The packages and the data of versions, in a store that may not be the one where they were trained."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from components.digest import sha256
from components.errors import DataError, PackageError
from components.registry.model_registry import Registered
from components.registry.package_store import keep_data, keep_package, keep_registered, kept_package, named_package
from components.store.content import Kind, Store
from tests.components.trained_small import packaged, small_model


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def test_a_package_comes_back_as_it_was_kept(store: Store, tmp_path: Path) -> None:
    written = packaged(tmp_path / "p", small_model())
    keep_package(written, store)
    assert replace(kept_package(store, written.digest, tmp_path / "q"), path=written.path) == written


def test_another_package_in_its_place_is_noticed(store: Store, tmp_path: Path) -> None:
    written, other = packaged(tmp_path / "p", small_model()), packaged(tmp_path / "o", small_model(c=0.1))
    shutil.copytree(other.path, Path(store.uri(Kind.PACKAGE, written.digest)))
    with pytest.raises(PackageError, match=f"holds {other.digest}; remove it"):
        kept_package(store, written.digest, tmp_path / "q")


def test_the_package_of_a_champion_that_was_named_is_read(store: Store, tmp_path: Path) -> None:
    written = packaged(tmp_path / "p", small_model())
    keep_package(written, store)
    found = named_package("3", store, written.digest, tmp_path / "q")
    assert found is not None
    assert found.digest == written.digest


def test_no_name_alone_means_that_there_is_no_champion(store: Store, tmp_path: Path) -> None:
    assert named_package("", store, "", tmp_path / "q") is None


@pytest.mark.parametrize("there", ["nothing", "a folder without a model"])
def test_a_champion_with_an_unreadable_package_is_an_error(store: Store, tmp_path: Path, there: str) -> None:
    """A champion with an unreadable package is an error, unlike the absence of a champion."""
    written = packaged(tmp_path / "p", small_model())
    if there == "a folder without a model":
        keep_package(written, store)
        Path(store.uri(Kind.PACKAGE, written.digest), "model.onnx").unlink()
    with pytest.raises(
        PackageError, match=r"the champion is version 3, but its package cannot be read.*move the alias"
    ):
        named_package("3", store, written.digest, tmp_path / "q")


def registered(tmp_path: Path) -> Registered:
    package = packaged(tmp_path / "elsewhere", small_model())
    data = tmp_path / "elsewhere.parquet"
    data.write_bytes(b"rows")
    return Registered("small", "3", package.digest, package.path.as_uri(), sha256(b"rows"), str(data), "run")


def test_a_version_of_another_store_is_brought_over(store: Store, tmp_path: Path) -> None:
    version = registered(tmp_path)
    for _ in range(2):
        keep_registered(version, "sqlite://", store)
        assert kept_package(store, version.package, tmp_path / f"q{_}").digest == version.package
        assert store.get(Kind.SNAPSHOT, version.snapshot) == b"rows"


def test_data_that_is_nowhere_is_an_error_that_says_what_to_do(store: Store, tmp_path: Path) -> None:
    version = registered(tmp_path)
    Path(version.snapshot_uri).unlink()
    with pytest.raises(DataError, match=r"neither in the store.*nor at .*STORE=s3.*move the alias"):
        keep_data(version, store)


def test_data_that_was_changed_since_is_refused(store: Store, tmp_path: Path) -> None:
    version = registered(tmp_path)
    Path(version.snapshot_uri).write_bytes(b"other rows")
    with pytest.raises(DataError, match="was changed"):
        keep_data(version, store)
    assert not store.holds(Kind.SNAPSHOT, version.snapshot)
