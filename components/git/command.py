"""Reads Git repositories, whatever the user's own settings are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from components.errors import ComponentError

_ALONE: Final = ("-c", "safe.directory=*", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false")


class GitError(ComponentError):
    """Git refused; says why."""


def git(repository: Path, *arguments: str) -> bytes:
    """What a command of Git prints.

    Raises:
        GitError: it failed, or Git is not installed.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # A commit's name stands for its own bytes: what `git replace` would show in their place is another commit.
    kept["GIT_NO_REPLACE_OBJECTS"] = "1"
    try:
        done = subprocess.run(
            ["git", "-C", str(repository), *_ALONE, *arguments], capture_output=True, check=False, env=kept
        )
    except OSError as error:
        raise GitError(f"git cannot be started: {error}; install git") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise GitError(f"{repository}: git {' '.join(arguments[:2])} failed: {said}")
    return done.stdout
