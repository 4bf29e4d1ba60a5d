"""The identity of this code: the digest of everything that decides what a step does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from components.digest import sha256
from components.errors import CodeError

ROOT: Final = Path(__file__).resolve().parents[1]
#: The lock file of everything, in which a person's machine and the workflows train.
LOCK_FILE: Final = "requirements.txt"
#: The folder with the lock file of each image that trains.
IMAGE_LOCKS: Final = "components/locks"
#: An image names its own lock file by this variable.
LOCK_VARIABLE: Final = "CANARIO_LOCK"


def code_digest(root: Path = ROOT) -> str:
    """The digest of the components and the lock files; the same in a clone and in each image of the steps."""
    files = sorted([*(root / "components").rglob("*.py"), *(root / IMAGE_LOCKS).glob("*.txt")])
    lines = [f"{sha256(path.read_bytes())}  {path.relative_to(root)}\n" for path in [*files, root / LOCK_FILE]]
    return sha256("".join(lines).encode())


def lock_digest(root: Path = ROOT) -> str:
    """The digest of the lock file from which the libraries of this process were installed."""
    return sha256((root / os.environ.get(LOCK_VARIABLE, LOCK_FILE)).read_bytes())


def require_code(expected: str, root: Path = ROOT) -> None:
    """Refuses to go on with other code than the pipeline was compiled from.

    The pipeline brings each step's first lines, and the image brings the rest. An answer is reused only for the same
    digest, so an image with other code would give stale answers a fresh name.

    Raises:
        CodeError: this code has another digest.
    """
    found = code_digest(root)
    if found != expected:
        raise CodeError(
            f"the pipeline was made from code {expected}, and the image of this step has code {found}; build and push "
            "the image from the same tree (make platform-images PARTS=components, make publish ENV=staging "
            "PART=components), or submit from the tree of the image"
        )
