"""Git repositories of tests, made and read whatever the user's own settings are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

Person = tuple[str, str]
ANN: Person = ("Ann", "ann@example.org")
#: Folders may belong to another user, as those of a container do.
SETTINGS = {"init.defaultBranch": "main", "safe.directory": "*", "core.hooksPath": os.devnull}


def git(folder: Path, *arguments: str, who: Person = ANN) -> str:
    """The output of a command of Git in a folder, without the space around it; commits are by `who`.

    Raises:
        CalledProcessError: Git refused.
    """
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], env=environment(who), check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit_all(folder: Path, message: str = "change") -> str:
    """Commits every file of a folder; returns the commit's id."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def environment(who: Person = ANN) -> dict[str, str]:
    """The variables of this process for a Git that reads no settings but ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    identity = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in zip(("NAME", "EMAIL"), who, strict=True)
    }
    return {**kept, **alone, **identity, **_settings()}


def _settings() -> dict[str, str]:
    found = {"GIT_CONFIG_COUNT": str(len(SETTINGS))}
    for place, (name, value) in enumerate(SETTINGS.items()):
        found |= {f"GIT_CONFIG_KEY_{place}": name, f"GIT_CONFIG_VALUE_{place}": value}
    return found
