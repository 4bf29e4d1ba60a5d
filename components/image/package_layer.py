"""The one layer that makes a model's image from the server's: the package and its papers, as a tar archive."""

from __future__ import annotations

import io
import tarfile
from typing import Final

from components.files import EPOCH
from components.package.model_package import Package
from components.package.papers import papers

#: The folder of the bento's sources in an image, where the server looks for the package.
SOURCES: Final = "app/bento/src"
_FOLDER_MODE: Final = 0o755
_FILE_MODE: Final = 0o644


def package_layer(package: Package) -> bytes:
    """The archive; the same package and papers give the same bytes."""
    files = {f"package/{name}": (package.path / name).read_bytes() for name in package.files} | papers(package.path)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for folder in _folders():
            member = _member(folder, _FOLDER_MODE)
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
        for name, content in sorted(files.items()):
            member = _member(f"{SOURCES}/{name}", _FILE_MODE)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _folders() -> list[str]:
    """The package's folder and those above it, outermost first, as the server's image has them."""
    parts = f"{SOURCES}/package".split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _member(name: str, mode: int) -> tarfile.TarInfo:
    """An entry that belongs to root, whoever writes it, and has the time of everything in an image."""
    member = tarfile.TarInfo(name)
    member.mode, member.mtime = mode, EPOCH
    return member
