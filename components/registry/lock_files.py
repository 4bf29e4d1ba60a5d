"""Finds the lock file that a receipt names: the whole one, or that of an image that trains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.code import IMAGE_LOCKS, LOCK_FILE
from components.digest import sha256
from components.git.command import git

#: Where older commits have the lock file of the steps' image.
_FORMER: Final = ("components/requirements.txt",)


@dataclass(frozen=True)
class LockFile:
    """A lock file of a commit, by its path from the root."""

    name: str
    content: bytes


def committed_lock(root: Path, commit: str, digest: str) -> LockFile | None:
    """The lock file of a commit that has this digest; None if none of its lock files has it.

    Raises:
        GitError: the commit, or its lock file of everything, is not there.
    """
    listed = git(root, "ls-tree", "-z", "--name-only", "--end-of-options", commit, f"{IMAGE_LOCKS}/", *_FORMER)
    for name in (LOCK_FILE, *filter(None, listed.decode().split("\0"))):
        content = git(root, "show", "--end-of-options", f"{commit}:{name}")
        if sha256(content) == digest:
            return LockFile(name, content)
    return None
