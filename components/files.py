"""Files that are either whole or absent."""

import os
import tempfile
from pathlib import Path
from typing import Final

#: Every timestamp in what must be the same each time, such as an image: 1980-01-01, the earliest that a zip file can
#: hold, in seconds.
EPOCH: Final = 315532800


def read_if_there(path: Path) -> str | None:
    """The text of a file; None if there is no such file."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Writes a file in one step, so that a reader sees the old content or the new; makes its folder. Returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        Path(name).chmod(0o644)
        return Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
