"""The project's own sources in an image: whole rooms and folders, so that a new file need not be listed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
#: Modules at the top of `components` that every room needs.
GROUND: Final = ("code", "digest", "errors", "files")


@dataclass(frozen=True)
class ImageSources:
    """The part of this repository in an image.

    Attributes:
        rooms: sub-packages of `components`, without their own sub-packages; the ground is added to them.
        patterns: other files below the root, as patterns for `Path.glob`.
        without: folders to leave out of these files.
    """

    rooms: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def files(self, root: Path = ROOT) -> list[Path]:
        """The files, relative to the root and in order, without the tests that lie next to a program."""
        ground = [f"components/{name}.py" for name in ("__init__", *GROUND)] if self.rooms else []
        rooms = [f"components/{room}/*.py" for room in self.rooms]
        found = {path.relative_to(root) for pattern in [*ground, *rooms, *self.patterns] for path in root.glob(pattern)}
        return sorted(path for path in found if not path.name.startswith("test_") and not self._left_out(path))

    def _left_out(self, path: Path) -> bool:
        return any(map(path.is_relative_to, self.without))


def read_all(files: Iterable[Path], root: Path = ROOT) -> bytes:
    """The bytes of the files, one after the other."""
    return b"".join((root / file).read_bytes() for file in files)
