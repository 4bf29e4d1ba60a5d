"""The rollback of a release, recorded in Git by a trailer of the commit that reverts it.

`Rolled-back` stands for a release that failed, `Undecided` for one whose deadline passed without a decision.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from components.git.repository import Commit, Repository
from components.releases.environment_repository import EnvironmentRepository
from components.releases.release_file import named_release

_FAILED: Final = "Rolled-back"
_UNDECIDED: Final = "Undecided"
_TRAILER: Final = re.compile(rf"^({_FAILED}|{_UNDECIDED}): (\S+) (\S+) (\S+)$", re.MULTILINE)
#: The sentence that marked a revert before there was a trailer.
_SENTENCE: Final = re.compile(r"^Version (\S+) \((\S+)\) of (\S+) was rolled back:", re.MULTILINE)


@dataclass(frozen=True)
class Rollback:
    """A release that was rolled back: it failed, or it was `undecided` and may be tried again."""

    service: str
    version: str
    package: str
    undecided: bool = False

    def message(self, reason: str) -> str:
        """The text below the subject of the revert: a sentence, the reason, and the trailer."""
        ended = "was undecided at its deadline and taken back" if self.undecided else "was rolled back"
        sentence = f"Version {self.version} ({self.package}) of {self.service} {ended}:"
        trailer = _UNDECIDED if self.undecided else _FAILED
        return f"{sentence}\n{reason.strip()}\n\n{trailer}: {self.service} {self.version} {self.package}\n"


def rollback_of(message: str) -> Rollback | None:
    """The rollback that a commit's message records; None for any other commit.

    Like Git, this looks for the trailer in the last paragraph only, so that a reason cannot pass for a trailer.
    """
    found = _TRAILER.search(message.strip().rpartition("\n\n")[2])
    if found:
        return Rollback(found[2], found[3], found[4], undecided=found[1] == _UNDECIDED)
    said = _SENTENCE.search(message)
    return Rollback(said[3], said[1], said[2]) if said else None


def undo_release(environment: EnvironmentRepository, rollback: Rollback, reason: str) -> Commit | None:
    """Reverts the commit that asked for a release in the remote repository.

    Concurrent and repeated calls are safe: the second call finds another release in the file.

    Returns:
        The new commit; None if the branch does not, or no longer, ask for that release.

    Raises:
        ReleaseError: the release file cannot be read.
        GitError: the repository cannot be read or written, or the file has changed since.
    """

    def revert(repository: Repository) -> Commit | None:
        asking = _asking_commit(repository, environment.file(rollback.service), rollback)
        return repository.revert(asking, rollback.message(reason)) if asking else None

    return environment.commit(revert)


def _asking_commit(repository: Repository, file: str, rollback: Rollback) -> str | None:
    """The commit by which the branch asks for this release; None if it asks for another.

    A revert is never undone. The restored release may have the same version and package with other settings, or fail
    later with a new chart; the release that was rolled back is not the remedy in either case.
    """
    named = named_release(repository.read(file) or "", file)
    commit = repository.last_change(file)
    if commit is None or (named.version, named.package) != (rollback.version, rollback.package):
        return None
    undone = rollback_of(repository.show(commit).message)
    return None if undone and undone.service == rollback.service else commit
