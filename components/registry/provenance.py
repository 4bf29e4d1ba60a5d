"""The provenance of a model: the commit, the lock file, the code."""

from __future__ import annotations

import os
from pathlib import Path

from components.digest import sha256
from components.errors import GitError
from components.git.command import git

ROOT = Path(__file__).resolve().parents[2]
LOCK_FILE = "requirements.txt"
_COMMIT = "CANARIO_COMMIT"


def hold_commit() -> None:
    """Fixes the answer of `commit` for this process and its children, because a run may outlast a commit."""
    os.environ.setdefault(_COMMIT, commit())


def commit(root: Path = ROOT) -> str:
    """The commit of the code, with "-changed" if files differ from it.

    The variable CANARIO_COMMIT comes first; an image, which has no Git history, sets it.
    Code without a commit is named by its own digest.
    """
    given = os.environ.get(_COMMIT)
    if given:
        return given
    try:
        head = git(root, "rev-parse", "HEAD").decode().strip()
        changed = git(root, "status", "--porcelain", "--", "components", "pipelines", LOCK_FILE).strip()
    except GitError:
        return code_digest(root)
    return f"{head}-changed" if changed else head


def lock_digest(root: Path = ROOT) -> str:
    """The digest of the lock file."""
    return sha256((root / LOCK_FILE).read_bytes())


def code_digest(root: Path = ROOT) -> str:
    """The digest of everything that decides what a step does: the components and the lock file."""
    files = sorted(path for path in (root / "components").rglob("*.py"))
    lines = [f"{sha256(path.read_bytes())}  {path.relative_to(root)}\n" for path in [*files, root / LOCK_FILE]]
    return sha256("".join(lines).encode())
