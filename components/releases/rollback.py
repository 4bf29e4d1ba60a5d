"""The rollback of a release as a fact in Git: a trailer of the commit that reverts it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from components.git.repository import Commit, Repository
from components.releases.environment_repository import EnvironmentRepository
from components.releases.release_file import named_release

_TRAILER: Final = re.compile(r"^Rolled-back: (\S+) (\S+) (\S+)$", re.MULTILINE)
#: How reverts said it before they had the trailer.
_SENTENCE: Final = re.compile(r"^Version (\S+) \((\S+)\) of (\S+) was rolled back:", re.MULTILINE)


@dataclass(frozen=True)
class Rollback:
    """A release that was rolled back."""

    service: str
    version: str
    package: str

    def message(self, reason: str) -> str:
        """The text below the subject of the revert: a sentence, the reason, and the trailer."""
        sentence = f"Version {self.version} ({self.package}) of {self.service} was rolled back:"
        return f"{sentence}\n{reason.strip()}\n\nRolled-back: {self.service} {self.version} {self.package}\n"


def rollback_of(message: str) -> Rollback | None:
    """The rollback that a commit's message tells of; None for any other commit.

    Only the last paragraph is read for the trailer, as Git does, so that no reason can pass for one.
    """
    found = _TRAILER.search(message.strip().rpartition("\n\n")[2])
    if found:
        return Rollback(*found.groups())
    said = _SENTENCE.search(message)
    return Rollback(said[3], said[1], said[2]) if said else None


def undo_release(environment: EnvironmentRepository, rollback: Rollback, reason: str) -> Commit | None:
    """Reverts the commit that asked for a release, at the remote repository.

    Two may do it at once, and one may do it again: whoever comes second finds another release there.

    Returns:
        The new commit; None when the branch does not ask for that release (any more).

    Raises:
        ReleaseError: the release file cannot be read.
        GitError: the repository cannot be read or written, or the file was changed again since.
    """

    def revert(repository: Repository) -> Commit | None:
        asking = _asking_commit(repository, environment.file(rollback.service), rollback)
        return repository.revert(asking, rollback.message(reason)) if asking else None

    return environment.commit(revert)


def _asking_commit(repository: Repository, file: str, rollback: Rollback) -> str | None:
    """The commit by which the branch asks for this release; None if it asks for another.

    A revert is never undone: the release before may have the same version and package, and other settings, and one
    that serves again may fail with a new chart; the release that was rolled back is not the answer to either.
    """
    named = named_release(repository.read(file) or "", file)
    commit = repository.last_change(file)
    if commit is None or (named.version, named.package) != (rollback.version, rollback.package):
        return None
    undone = rollback_of(repository.show(commit).message)
    return None if undone and undone.service == rollback.service else commit
