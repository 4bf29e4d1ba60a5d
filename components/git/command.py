"""Runs Git, independent of the user's own settings."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from components.errors import GitError

_ISOLATED: Final = {
    "safe.directory": "*",
    "core.hooksPath": os.devnull,
    "core.quotePath": "false",
}
_SECONDS: Final = 60.0


def git(repository: Path, *arguments: str) -> bytes:
    """The output of a Git command in a repository, with or without a work tree.

    Raises:
        GitError: the command failed, or Git is not installed.
    """
    options = [part for name, value in _ISOLATED.items() for part in ("-c", f"{name}={value}")]
    # A commit's name stands for its own bytes, so `git replace` must not show another commit in its place.
    done = run_git("-C", str(repository), *options, *arguments, settings={"GIT_NO_REPLACE_OBJECTS": "1"}, seconds=None)
    if done.returncode:
        raise GitError(f"{repository}: git {' '.join(arguments[:2])} failed: {words(done)}")
    return done.stdout


def run_git(
    *arguments: str, given: bytes = b"", settings: Mapping[str, str] | None = None, seconds: float | None = _SECONDS
) -> subprocess.CompletedProcess[bytes]:
    """Runs Git, without GIT_ variables other than `settings`; returns the process even if Git failed.

    Raises:
        GitError: Git is not installed, or took longer than `seconds`.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", *arguments]
    try:
        return subprocess.run(
            command, input=given, capture_output=True, check=False, env=kept | dict(settings or {}), timeout=seconds
        )
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git {_verb(arguments)} took longer than {seconds:g} s") from error
    except OSError as error:
        raise GitError(f"git cannot be started: {error}; install git") from error


def words(done: subprocess.CompletedProcess[bytes]) -> str:
    """Git's own message about a failure."""
    return done.stderr.decode(errors="replace").strip()


def _verb(arguments: tuple[str, ...]) -> str:
    """The subcommand: the first word after Git's global options, which all take a value here."""
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        del rest[:2]
    return rest[0] if rest else ""
