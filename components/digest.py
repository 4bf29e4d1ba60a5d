"""The SHA-256 digest, which names bytes everywhere."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import Field

#: A digest as text.
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


def sha256(content: bytes) -> str:
    """The digest of `content`."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """The digest of a file of any size, which is read piece by piece."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
