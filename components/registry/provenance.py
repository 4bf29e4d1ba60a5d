"""The provenance of a model: the commit of its code."""

from __future__ import annotations

import os
from pathlib import Path

from components.code import LOCK_FILE, ROOT, code_digest
from components.errors import GitError
from components.git.command import git

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
