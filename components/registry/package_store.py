"""Packages and snapshots of versions in the store, and the errors for missing content."""

from __future__ import annotations

from pathlib import Path

import fsspec

from components.digest import sha256
from components.errors import DataError, PackageError, StoreError
from components.package.model_package import Package, read_package
from components.registry.model_registry import Registered, local_package
from components.store.content import Kind, Store
from components.store.patience import patiently


def keep_package(package: Package, store: Store) -> None:
    """Keeps a package in the store under its digest.

    Raises:
        StoreError: the store refuses.
    """
    store.put_folder(Kind.PACKAGE, package.digest, package.path)


def kept_package(store: Store, digest: str, folder: Path) -> Package:
    """The package with a digest, copied from the store to `folder`, which does not exist yet.

    Raises:
        StoreError: it is not in the store.
        PackageError: it was changed.
    """
    package = read_package(store.get_folder(Kind.PACKAGE, digest, folder))
    if package.digest != digest:
        raise PackageError(
            f"{store.uri(Kind.PACKAGE, digest)}: holds {package.digest}; remove it and put {digest} in its place"
        )
    return package


def named_package(version: str, store: Store, digest: str, folder: Path) -> Package | None:
    """The champion's package; None only if `version` is empty, which means that there is no champion.

    Raises:
        PackageError: there is a champion, but its package is missing or cannot be read.
    """
    if not version:
        return None
    try:
        return kept_package(store, digest, folder)
    except (PackageError, StoreError) as error:
        raise PackageError(
            f"the champion is version {version}, but its package cannot be read, so nothing can be compared with it"
            f" ({error}); bring the package back, or move the alias `champion` away from that version"
        ) from error


def keep_registered(version: Registered, mlflow: str, store: Store) -> None:
    """Sees to it that a version's package and data are in the store, wherever the version was trained.

    Raises:
        PackageError: the registry does not hold the package.
        DataError: the data is neither in the store nor where the registry says.
    """
    if not store.holds(Kind.PACKAGE, version.package):
        keep_package(read_package(local_package(version, mlflow)), store)
    keep_data(version, store)


def keep_data(version: Registered, store: Store) -> None:
    """Sees to it that a version's data is in the store: a version of another store is copied from there.

    Raises:
        DataError: the data is neither in the store nor where the registry says, or was changed.
    """
    if store.holds(Kind.SNAPSHOT, version.snapshot):
        return
    try:
        content = patiently(lambda: _read(version.snapshot_uri), version.snapshot_uri)
    except Exception as error:  # each kind of store raises errors of its own
        raise DataError(
            f"the data of version {version.version} of {version.name} is neither in the store"
            f" ({store.uri(Kind.SNAPSHOT, version.snapshot)}) nor at {version.snapshot_uri}, where it was trained;"
            " copy the file to the store, train with the store that both share (STORE=s3://...), or move the alias"
            " `champion` away from that version"
        ) from error
    if sha256(content) != version.snapshot:
        raise DataError(f"{version.snapshot_uri}: was changed: it is {sha256(content)}, not {version.snapshot}")
    store.put(Kind.SNAPSHOT, content)


def _read(uri: str) -> bytes:
    with fsspec.open(uri, "rb") as file:
        return bytes(file.read())
