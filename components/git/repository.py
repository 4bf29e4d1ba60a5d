"""One branch of a bare Git repository, for reading and committing.

All operations use Git's plumbing without a work tree, so that a killed process leaves
at most an unreferenced object. The branch moves by compare-and-swap: two writers never
lose each other's commit. The user's own Git configuration, hooks and signing keys have
no effect, except on how another repository is reached.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.errors import GitError
from components.git.command import run_git, words

_ATTEMPTS = 20
_FILE_MODE = "100644"

#: Git settings for one command, as (name, value).
Settings = Sequence[tuple[str, str]]

#: Maps the branch's head to the changes of a commit: file -> blob, None to remove the file; empty for no commit.
ChangesAt = Callable[[str], dict[str, str | None]]


@dataclass(frozen=True)
class Commit:
    """One commit; `id` is its full hash."""

    id: str
    message: str

    @property
    def subject(self) -> str:
        """The message's first line."""
        return self.message.partition("\n")[0]


class Repository:
    """One branch of a bare repository."""

    def __init__(self, path: Path, branch: str = "main") -> None:
        self.path = path.resolve()
        self._reference = f"refs/heads/{branch}"
        self._branch = branch

    @classmethod
    def create(cls, path: Path, branch: str = "main", message: str = "Begin an empty environment") -> Repository:
        """Creates a repository with a first, empty commit; an existing repository keeps its commits.

        It refuses pushes that remove commits, so that its history stays the record of what ran.

        Raises:
            GitError: Git is not installed, or refuses.
        """
        repository = cls(path, branch)
        path.parent.mkdir(parents=True, exist_ok=True)
        repository._git("init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}", str(repository.path))
        if repository._resolve(repository._reference) is None:
            repository._commit(repository._git("mktree", given=b""), None, message)
        repository._git("config", "receive.denyNonFastForwards", "true")
        return repository

    def head(self) -> str:
        """The hash of the branch's newest commit.

        Raises:
            GitError: the branch has no commits.
        """
        found = self._resolve(self._reference)
        if found is None:
            raise GitError(f"{self.path}: there is no branch {self._branch}; create the repository first")
        return found

    def read(self, file: str, commit: str | None = None) -> str | None:
        """A file's text at a commit (by default the newest); None if the file does not exist there."""
        at = commit or self.head()
        if self._blob(at, file) is None:
            return None
        return self._git_bytes("cat-file", "blob", f"{at}:{file}").decode("utf-8", errors="replace")

    def write(self, file: str, text: str, message: str) -> Commit:
        """Commits the new text of one file, like `write_all`."""
        return self.write_all({file: text}, message)

    def write_all(self, texts: Mapping[str, str], message: str) -> Commit:
        """Commits new texts of several files at once; returns the new commit, or the newest if nothing changed.

        Raises:
            GitError: Git refuses, or others commit faster than we can.
        """
        blobs = {file: self._git("hash-object", "-w", "--stdin", given=text.encode()) for file, text in texts.items()}
        return self._commit_changes(
            lambda head: {file: blob for file, blob in blobs.items() if self._blob(head, file) != blob}, message
        )

    def revert(self, commit: str, reason: str) -> Commit | None:
        """Undoes a commit by a new one, whose message names the old commit and the reason.

        Returns:
            The new commit; None if nothing is left to undo, so that a repetition is safe.

        Raises:
            GitError: a file has changed since, and its older text must not silently win.
        """
        undone = self.show(commit)
        message = f'Revert "{undone.subject}"\n\nThis reverts commit {undone.id}.\n\n{reason.strip()}\n'
        before = self.head()
        made = self._commit_changes(lambda head: self._undoing(undone.id, head), message)
        return None if made.id == before else made

    def show(self, commit: str) -> Commit:
        """Returns one commit.

        Raises:
            GitError: no commit has this name.
        """
        found = self._resolve(f"{commit}^{{commit}}")
        if found is None:
            raise GitError(f"{self.path}: there is no commit {commit}")
        return Commit(found, self._git_bytes("show", "--no-patch", "--format=%B", found).decode().strip())

    def log(self) -> list[Commit]:
        """The branch's commits, oldest first."""
        text = self._git_bytes("log", "--reverse", "-z", "--format=%H%n%B", self._reference).decode()
        parts = (entry.partition("\n") for entry in text.split("\0") if entry)
        return [Commit(identity, message.strip()) for identity, _, message in parts]

    def last_change(self, file: str) -> str | None:
        """The newest commit that changed a file; None if no commit did."""
        return self._git("log", "-1", "--format=%H", self._reference, "--", file) or None

    def last_with(self, file: str, text: str) -> str | None:
        """The newest commit that gave a file this text, or took it away; None if the file never had it."""
        blob = self._git("hash-object", "-w", "--stdin", given=text.encode())
        return self._git("log", "-1", "--format=%H", f"--find-object={blob}", self._reference, "--", file) or None

    def changed(self, commit: str) -> list[str]:
        """The files that a commit changed."""
        listed = self._git_bytes("diff-tree", "--root", "--no-commit-id", "--name-only", "-r", "-z", commit)
        return [os.fsdecode(file) for file in listed.split(b"\0") if file]

    def tree(self, commit: str) -> str:
        """The hash of all files at a commit; equal hashes mean equal bytes."""
        return self._git("rev-parse", "--verify", f"{commit}^{{tree}}")

    def branched(self, name: str) -> Repository:
        """Creates a branch at this branch's head.

        Raises:
            GitError: a branch of this name exists.
        """
        other, head = Repository(self.path, name), self.head()
        self._git("update-ref", other._reference, head, "0" * len(head))
        return other

    def common_ancestor(self, first: str, second: str) -> str | None:
        """The newest common ancestor of two commits; None if they have none."""
        answer = self._run(("merge-base", first, second), b"", {})
        return answer.stdout.decode().strip() or None if answer.returncode == 0 else None

    def fetch(self, url: str, settings: Settings = ()) -> None:
        """Sets the branch to its state at `url`.

        Raises:
            GitError: the branch does not exist there, or `url` does not answer within a minute.
        """
        command = ("fetch", "--quiet", "--no-tags", url, f"+{self._reference}:{self._reference}")
        answer = self._run_remote(*command, settings=settings)
        if answer.returncode != 0:
            raise GitError(f"{url}: git fetch failed: {words(answer)}")

    def push(self, url: str, settings: Settings = ()) -> str:
        """Pushes the branch to `url`; returns why it was refused, such as a faster push by others, else "".

        Raises:
            GitError: `url` does not answer, or does not permit writing.
        """
        return self._pushed(url, f"{self._reference}:{self._reference}", settings)

    def _pushed(self, url: str, what: str, settings: Settings, *options: str) -> str:
        answer = self._run_remote("push", "--porcelain", *options, url, what, settings=settings)
        refused = [line for line in answer.stdout.decode(errors="replace").splitlines() if line.startswith("!")]
        if answer.returncode != 0 and not refused:
            raise GitError(f"{url}: git push failed: {words(answer)}")
        return "; ".join(refused)

    def delete(self, url: str, commit: str) -> str:
        """Deletes the branch at `url` if its head is still `commit`; returns why it was refused, else "".

        Raises:
            GitError: `url` does not answer, or does not permit writing.
        """
        return self._pushed(url, f":{self._reference}", (), f"--force-with-lease={self._reference}:{commit}")

    def export(self, folder: Path) -> None:
        """Writes the files of the newest commit to a folder, which is made; a link becomes a file with its target."""
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="canario-index-") as scratch:
            more = {"GIT_INDEX_FILE": str(Path(scratch) / "index"), "GIT_WORK_TREE": str(folder)}
            self._git("read-tree", self.head(), more=more)
            self._git("-c", "core.symlinks=false", "checkout-index", "--all", more=more)

    def _undoing(self, commit: str, head: str) -> dict[str, str | None]:
        """The changes at `head` that undo `commit`: file -> its previous blob, None if there was no file."""
        changes: dict[str, str | None] = {}
        parent = self._resolve(f"{commit}^")
        for name in self.changed(commit):
            new, old, now = (
                self._blob(commit, name),
                self._blob(parent, name) if parent else None,
                self._blob(head, name),
            )
            if now == new:
                changes[name] = old
            elif now != old:
                raise GitError(f"{name} was changed again since {commit[:10]}; revert it by hand")
        return changes

    def _commit_changes(self, changes_at: ChangesAt, message: str) -> Commit:
        for _ in range(_ATTEMPTS):
            head = self.head()
            changes = changes_at(head)
            if not changes:
                return self.show(head)
            made = self._commit(self._tree_with(head, changes), head, message)
            if made is not None:
                return made
        raise GitError(f"{self.path}: {self._branch} moved {_ATTEMPTS} times while we tried to commit to it")

    def _tree_with(self, head: str, changes: dict[str, str | None]) -> str:
        with tempfile.TemporaryDirectory(prefix="canario-index-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._git("read-tree", head, more=index)
            # Mode 0 removes an entry; `--force-remove` would need a work tree.
            lines = [f"{_FILE_MODE if blob else 0} {blob or '0' * len(head)}\t{file}" for file, blob in changes.items()]
            self._git("update-index", "-z", "--index-info", given=os.fsencode("\0".join(lines) + "\0"), more=index)
            return self._git("write-tree", more=index)

    def _commit(self, tree: str, parent: str | None, message: str) -> Commit | None:
        """Makes a commit and moves the branch to it; None if the branch is no longer at `parent`."""
        parents = ("-p", parent) if parent else ()
        made = self._git("commit-tree", tree, *parents, given=message.encode())
        try:
            self._git("update-ref", self._reference, made, parent or "0" * len(made))
        except GitError:
            if self._resolve(self._reference) == parent:
                raise
            return None
        return Commit(made, message.strip())

    def _blob(self, commit: str, file: str) -> str | None:
        return self._resolve(f"{commit}:{file}")

    def _resolve(self, name: str) -> str | None:
        answer = self._run(("rev-parse", "--verify", "--quiet", "--end-of-options", name), b"", {})
        return answer.stdout.decode().strip() or None if answer.returncode == 0 else None

    def _git(self, *arguments: str, given: bytes = b"", more: dict[str, str] | None = None) -> str:
        return self._git_bytes(*arguments, given=given, more=more).decode().strip()

    def _git_bytes(self, *arguments: str, given: bytes = b"", more: dict[str, str] | None = None) -> bytes:
        answer = self._run(arguments, given, more or {})
        if answer.returncode != 0:
            raise GitError(f"{self.path}: git {arguments[0]} failed: {words(answer)}")
        return answer.stdout

    def _run(
        self, arguments: tuple[str, ...], given: bytes, more: dict[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        return run_git("--git-dir", str(self.path), *arguments, given=given, settings=_IDENTITY | _ISOLATED | more)

    def _run_remote(self, *arguments: str, settings: Settings) -> subprocess.CompletedProcess[bytes]:
        """Runs Git with the user's own configuration, which may hold credentials, but without hooks and signatures."""
        configured = _configured([*settings, ("core.hooksPath", os.devnull), ("push.gpgSign", "false")])
        return run_git("--git-dir", str(self.path), *arguments, settings=_IDENTITY | _QUIET | configured)


def default_branch(url: str, settings: Settings = ()) -> str:
    """The branch that a clone of the repository at a path or URL would check out; `main` for an empty one.

    Raises:
        GitError: the repository cannot be reached, or its HEAD names none of its branches.
    """
    listed = _remote_references(url, "HEAD", settings=settings)
    found = re.match(r"ref: refs/heads/(\S+)\tHEAD", listed)
    if found is None and not is_empty(url, settings):
        raise GitError(f"{url}: its HEAD names none of its branches; set it, or push that branch")
    return found[1] if found else "main"


def is_empty(url: str, settings: Settings = ()) -> bool:
    """Whether the repository at a path or URL has no commit yet.

    Raises:
        GitError: the repository cannot be reached.
    """
    return not _remote_references(url, settings=settings)


def _remote_references(url: str, *names: str, settings: Settings = ()) -> str:
    configured = _QUIET | _configured([*settings, ("safe.directory", "*")])
    done = run_git("ls-remote", "--symref", "--", url, *names, settings=configured)
    if done.returncode:
        raise GitError(f"{url}: git ls-remote failed: {words(done)}")
    return done.stdout.decode(errors="replace")


def _configured(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, so that they do not appear in a list of processes."""
    pairs = [(f"GIT_CONFIG_KEY_{at}", f"GIT_CONFIG_VALUE_{at}") for at in range(len(settings))]
    values = {
        name: text for names, both in zip(pairs, settings, strict=True) for name, text in zip(names, both, strict=True)
    }
    return values | {"GIT_CONFIG_COUNT": str(len(settings))}


_IDENTITY: Final = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "canario"), ("EMAIL", "canario@localhost"))
}
_QUIET: Final = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
#: Settings that exclude the user's own Git configuration.
_ISOLATED: Final = _QUIET | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
