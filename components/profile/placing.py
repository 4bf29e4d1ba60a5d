"""Puts a new service's folder in place: completely or not at all, and never over another."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from components.errors import DataError, SpecError
from components.spec.contract import NAME_PATTERN

#: The images of the platform's own programs. A model's image has its service's name, so these names are taken.
PLATFORM_IMAGES: Final = (
    *("components", "components-cuda", "components-tpu"),
    *("judge", "load", "mlflow", "server", "stores"),
)

#: A larger table is not copied; the spec names its present location.
LARGEST_COPY_BYTES = 50 * 2**20


def refuse_taken(services: Path, name: str) -> None:
    """Refuses a name that is not valid for a service, or is taken.

    Raises:
        SpecError: says what is wrong with the name.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise SpecError(f"NAME {name!r} cannot be a service's: use small letters, digits and hyphens, a letter first")
    if name in PLATFORM_IMAGES:
        raise SpecError(
            f"NAME {name!r} cannot be a service's: an image of the platform has it; allowed is any name but "
            f"{', '.join(PLATFORM_IMAGES)}"
        )
    home = services / name
    if (home / "service.yaml").exists():
        raise SpecError(f"{home / 'service.yaml'} exists already and is kept; edit it, or choose another NAME")
    if any(home.glob("*.py")):
        raise SpecError(
            f"NAME {name!r} cannot be a service's: {home} holds a program; allowed is a name that no folder in "
            f"{services} has"
        )


def placed_uri(uri: str, home: Path) -> tuple[str, Path | None]:
    """The value for `data.uri`, and the file to copy next to the spec, if any.

    Raises:
        DataError: another file with the table's name is already there.
    """
    if "://" in uri and not uri.startswith("file://"):
        return uri, None
    path = Path(uri.removeprefix("file://")).resolve()
    if path.parent == home.resolve():
        return path.name, None
    if path.stat().st_size >= LARGEST_COPY_BYTES:
        return str(path), None
    if (home / path.name).exists():
        raise DataError(f"{home / path.name} exists already and is kept; move it away, or name it as DATA")
    return path.name, path


def place(home: Path, text: str, table: Path | None) -> None:
    """Writes `service.yaml` and the table's copy to a folder that may exist; after a failure neither is left.

    Raises:
        SpecError: another process was faster.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{home.name}.") as scratch:
        draft = Path(scratch) / home.name
        draft.mkdir()
        (draft / "service.yaml").write_text(text, encoding="utf-8")
        if table:
            shutil.copyfile(table, draft / table.name)
        try:
            _move(draft, home)
        except OSError as error:
            raise SpecError(f"{home} could not be written: {error.strerror}; nothing was changed") from error


def _move(draft: Path, home: Path) -> None:
    if not home.exists():
        draft.rename(home)
        return
    placed: list[Path] = []
    try:
        for file in sorted(draft.iterdir(), key=lambda file: file.name == "service.yaml"):
            os.link(file, home / file.name)  # fails if the name is taken
            placed.append(home / file.name)
    except OSError:
        for path in placed:
            path.unlink()
        raise
