"""The sources of ours in an image: whole rooms and folders, so that a new file need not be listed anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
#: Modules at the top of `components` on which every room stands.
GROUND: Final = ("digest", "errors", "files")


@dataclass(frozen=True)
class ImageSources:
    """What an image holds of this repository.

    Attributes:
        rooms: sub-packages of `components`, without those inside them; the ground comes with them.
        patterns: other files below the root, as `Path.glob` takes them.
        without: a folder of those that stays at home; empty for none.
    """

    rooms: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    without: str = ""

    def files(self, root: Path = ROOT) -> list[Path]:
        """The files, relative to the root, in order; the tests beside a program are not among them."""
        ground = [f"components/{name}.py" for name in ("__init__", *GROUND)] if self.rooms else []
        rooms = [f"components/{room}/*.py" for room in self.rooms]
        found = {path.relative_to(root) for pattern in [*ground, *rooms, *self.patterns] for path in root.glob(pattern)}
        return sorted(path for path in found if not path.name.startswith("test_") and not self._left_out(path))

    def _left_out(self, path: Path) -> bool:
        return bool(self.without) and path.is_relative_to(self.without)


def read_all(files: Iterable[Path], root: Path = ROOT) -> bytes:
    """The bytes of some files, one after the other."""
    return b"".join((root / file).read_bytes() for file in files)
