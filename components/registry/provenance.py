"""The provenance of a model: the commit of its code, and the name of the run that makes it."""

from __future__ import annotations

import json
from pathlib import Path

from components.code import LOCK_FILE, ROOT, code_digest
from components.digest import sha256
from components.errors import GitError
from components.git.command import git
from components.spec.contract import Spec
from components.spec.views import recorded_spec


def commit(root: Path = ROOT) -> str:
    """The commit of the code, with "-changed" if files differ from it; code without a commit is named by its digest."""
    try:
        head = git(root, "rev-parse", "HEAD").decode().strip()
        changed = git(root, "status", "--porcelain", "--", "components", "pipelines", LOCK_FILE).strip()
    except GitError:
        return code_digest(root)
    return f"{head}-changed" if changed else head


def run_name(spec: Spec, code: str, snapshot: str) -> str:
    """The name of the run that makes a model from this spec, code and data.

    It is made from what is given, not from the clock, so a run that was broken off or that is asked for again is
    the same run, and registers nothing twice.
    """
    given = json.dumps([recorded_spec(spec), code, snapshot], sort_keys=True, separators=(",", ":"))
    return f"{spec.name}-{sha256(given.encode()).removeprefix('sha256:')[:12]}"
