"""The provenance of a model: the commit of its code, and the name of the run that makes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from components.code import LOCK_FILE, ROOT, code_digest
from components.digest import sha256
from components.errors import GitError
from components.git.command import git
from components.spec.contract import Spec
from components.spec.views import recorded_spec

#: The ending of a commit's name if files differed from it.
CHANGED: Final = "-changed"


def commit(root: Path = ROOT) -> str:
    """The commit of the code, with "-changed" if files differ from it; code without a commit is named by its digest."""
    try:
        head = git(root, "rev-parse", "HEAD").decode().strip()
        changed = git(root, "status", "--porcelain", "--", "components", "pipelines", LOCK_FILE).strip()
    except GitError:
        return code_digest(root)
    return f"{head}{CHANGED}" if changed else head


def why_no_commit(receipt_code: str, repository: Path) -> str:
    """Why the code that a receipt names is not to be had from a Git repository; empty if its commit is there."""
    if receipt_code.endswith(CHANGED):
        return (
            f"its files differed from commit {receipt_code.removesuffix(CHANGED)} and are in no commit, so nothing "
            "makes it again exactly; commit them and train again"
        )
    if receipt_code.startswith("sha256:"):
        return f"it was trained by code outside of Git ({receipt_code}), so no commit has it; train it in a clone"
    try:
        git(repository, "cat-file", "-e", "--end-of-options", f"{receipt_code}^{{commit}}")
    except GitError as error:
        return f"{repository}: commit {receipt_code} is not in this repository; `git fetch` it ({error})"
    return ""


def run_name(spec: Spec, code: str, snapshot: str) -> str:
    """The name of the run that makes a model from this spec, code and data.

    It is made from what is given, not from the clock, so a run that was broken off or that is asked for again is
    the same run, and registers nothing twice.
    """
    given = json.dumps([recorded_spec(spec), code, snapshot], sort_keys=True, separators=(",", ":"))
    return f"{spec.name}-{sha256(given.encode()).removeprefix('sha256:')[:12]}"
