"""The store of packages and snapshots: the location of a digest, and the errors for missing content."""

import shutil
from pathlib import Path

from components.errors import DataError, PackageError
from components.package.model_package import Package, read_package
from components.registry.model_registry import Registered


def copy_package(package: Path, home: Path) -> None:
    """Copies a package to a folder, unless the folder exists."""
    if home.exists():
        return
    home.parent.mkdir(parents=True, exist_ok=True)
    draft = home.with_name(f"{home.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(package, draft)
    draft.rename(home)


def package_uri(store: str, digest: str) -> str:
    """The URI of the package with this digest in a store."""
    return f"{store}/packages/{digest.removeprefix('sha256:')}"


def named_package(version: str, folder: Path) -> Package | None:
    """The champion's package; None only if `version` is empty, which means that there is no champion.

    Raises:
        PackageError: there is a champion, but its package is missing or cannot be read.
    """
    if not version:
        return None
    try:
        return read_package(folder)
    except PackageError as error:
        raise PackageError(
            f"the champion is version {version}, but its package cannot be read, so nothing can be compared with it"
            f" ({error}); bring the package back, or move the alias `champion` away from that version"
        ) from error


def require_snapshot(champion: Registered) -> str:
    """The URI of the champion's data.

    Raises:
        DataError: the data is gone, so that shift cannot be measured.
    """
    import fsspec

    files, path = fsspec.core.url_to_fs(champion.snapshot_uri)
    if not files.exists(path):
        raise DataError(
            f"{champion.snapshot_uri}: the data of the champion (version {champion.version}) is gone, so the new data "
            "cannot be compared with it; bring the file back, or move the alias `champion` away from that version"
        )
    return champion.snapshot_uri
