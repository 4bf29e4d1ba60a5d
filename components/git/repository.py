"""A bare Git repository: one branch of it, to read and to commit to.

Everything is done with Git's plumbing on a bare repository, without a work tree, so
that a killed process leaves at most an object that nothing refers to. The branch moves by
compare-and-swap: two writers never lose each other's commit. The user's own Git
configuration, hooks and signing keys play no part, but for how another repository is reached.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.errors import GitError
from components.git.command import run_git, words

_ATTEMPTS = 20
_FILE_MODE = "100644"

#: Settings of Git for one command: (name, value).
Settings = Sequence[tuple[str, str]]

#: What a commit changes, given the branch's head: file -> blob, None to remove it; nothing for no commit.
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
        """A repository with a first, empty commit; one that is there already keeps its commits.

        No push may take commits away from it: what ran is what its history says.

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
            GitError: the branch has none.
        """
        found = self._resolve(self._reference)
        if found is None:
            raise GitError(f"{self.path}: there is no branch {self._branch}; create the repository first")
        return found

    def read(self, file: str, commit: str | None = None) -> str | None:
        """A file's text at a commit (the newest one by default); None when it is not there."""
        at = commit or self.head()
        if self._blob(at, file) is None:
            return None
        return self._git_bytes("cat-file", "blob", f"{at}:{file}").decode("utf-8", errors="replace")

    def write(self, file: str, text: str, message: str) -> Commit:
        """Commits one file's new text, as `write_all` does."""
        return self.write_all({file: text}, message)

    def write_all(self, texts: Mapping[str, str], message: str) -> Commit:
        """Commits the new texts of files at once. What is there already makes no commit; the newest one is returned.

        Raises:
            GitError: Git refuses, or others commit faster than we can.
        """
        blobs = {file: self._git("hash-object", "-w", "--stdin", given=text.encode()) for file, text in texts.items()}
        return self._commit_changes(
            lambda head: {file: blob for file, blob in blobs.items() if self._blob(head, file) != blob}, message
        )

    def revert(self, commit: str, reason: str) -> Commit | None:
        """Undoes a commit by a new one, whose message names it and says why.

        Returns:
            The new commit; None when nothing of the commit is left to undo, so that repeating it is safe.

        Raises:
            GitError: a file was changed again since, and the older text must not silently win.
        """
        undone = self.show(commit)
        message = f'Revert "{undone.subject}"\n\nThis reverts commit {undone.id}.\n\n{reason.strip()}\n'
        before = self.head()
        made = self._commit_changes(lambda head: self._undoing(undone.id, head), message)
        return None if made.id == before else made

    def show(self, commit: str) -> Commit:
        """One commit.

        Raises:
            GitError: there is none of this name.
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
        """The newest commit that changed a file; None when none did."""
        return self._git("log", "-1", "--format=%H", self._reference, "--", file) or None

    def changed(self, commit: str) -> list[str]:
        """The files that a commit changed."""
        listed = self._git_bytes("diff-tree", "--root", "--no-commit-id", "--name-only", "-r", "-z", commit)
        return [os.fsdecode(file) for file in listed.split(b"\0") if file]

    def tree(self, commit: str) -> str:
        """The hash of all files at a commit: equal hashes, equal bytes."""
        return self._git("rev-parse", "--verify", f"{commit}^{{tree}}")

    def branched(self, name: str) -> Repository:
        """A new branch that begins at this one's head.

        Raises:
            GitError: there is one of this name.
        """
        other, head = Repository(self.path, name), self.head()
        self._git("update-ref", other._reference, head, "0" * len(head))
        return other

    def common_ancestor(self, first: str, second: str) -> str | None:
        """The newest commit that both have in their past; None when they share none."""
        answer = self._run(("merge-base", first, second), b"", {})
        return answer.stdout.decode().strip() or None if answer.returncode == 0 else None

    def fetch(self, url: str, settings: Settings = ()) -> None:
        """Makes the branch what it is at `url`; `settings` are Git's, as (name, value).

        Raises:
            GitError: it is not there, or cannot be reached in a minute.
        """
        command = ("fetch", "--quiet", "--no-tags", url, f"+{self._reference}:{self._reference}")
        answer = self._run_remote(*command, settings=settings)
        if answer.returncode != 0:
            raise GitError(f"{url}: git fetch failed: {words(answer)}")

    def push(self, url: str, settings: Settings = ()) -> str:
        """Sends the branch to `url`; empty when it was taken, else why it was refused, as when others were faster.

        Raises:
            GitError: there is no answer, or we may not write.
        """
        return self._pushed(url, f"{self._reference}:{self._reference}", settings)

    def _pushed(self, url: str, what: str, settings: Settings, *options: str) -> str:
        answer = self._run_remote("push", "--porcelain", *options, url, what, settings=settings)
        refused = [line for line in answer.stdout.decode(errors="replace").splitlines() if line.startswith("!")]
        if answer.returncode != 0 and not refused:
            raise GitError(f"{url}: git push failed: {words(answer)}")
        return "; ".join(refused)

    def delete(self, url: str, commit: str) -> str:
        """Takes the branch away at `url`, if it still ends with `commit`; empty when it went, else why it stays.

        Raises:
            GitError: there is no answer, or we may not write.
        """
        return self._pushed(url, f":{self._reference}", (), f"--force-with-lease={self._reference}:{commit}")

    def export(self, folder: Path) -> None:
        """Writes the files of the newest commit into a folder."""
        archive = self._git_bytes("archive", "--format=tar", f"{self.head()}^{{tree}}")
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")

    def _undoing(self, commit: str, head: str) -> dict[str, str | None]:
        """What must change at `head` to undo `commit`: file -> the blob it had before, None for no file."""
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
            # Mode 0 removes an entry; `--force-remove` would want a work tree.
            lines = [f"{_FILE_MODE if blob else 0} {blob or '0' * len(head)}\t{file}" for file, blob in changes.items()]
            self._git("update-index", "-z", "--index-info", given=os.fsencode("\0".join(lines) + "\0"), more=index)
            return self._git("write-tree", more=index)

    def _commit(self, tree: str, parent: str | None, message: str) -> Commit | None:
        """Makes a commit and moves the branch to it; None when the branch is no longer at `parent`."""
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
        """With the user's own configuration, which may hold credentials; hooks and signatures are left out."""
        configured = _configured([*settings, ("core.hooksPath", os.devnull), ("push.gpgSign", "false")])
        return run_git("--git-dir", str(self.path), *arguments, settings=_IDENTITY | _QUIET | configured)


def default_branch(url: str) -> str:
    """The branch that a clone of the repository at a path or URL would check out.

    Raises:
        GitError: it cannot be reached, or has no branch.
    """
    done = run_git("ls-remote", "--symref", "--", url, "HEAD", settings=_QUIET | _configured([("safe.directory", "*")]))
    if done.returncode:
        raise GitError(f"{url}: git ls-remote failed: {words(done)}")
    found = re.match(r"ref: refs/heads/(\S+)\tHEAD", done.stdout.decode(errors="replace"))
    if found is None:
        raise GitError(f"{url}: it has no branch that HEAD names; push a first commit to it")
    return found[1]


def _configured(settings: Settings) -> dict[str, str]:
    """Settings by the environment, so that none is seen in a list of processes."""
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
#: What keeps the user's own Git configuration out.
_ISOLATED: Final = _QUIET | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
