"""The Git repository whose commits are an environment's releases: fetch, commit, push, and retry if others push."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from components.errors import GitError
from components.git.repository import Commit, Repository, Settings, default_branch, is_empty
from components.releases.release_file import environment_folder

#: How often a commit is attempted while others push first.
ATTEMPTS: Final = 8

#: A commit to the fetched branch; some callers return None if there is nothing to commit.
Made = TypeVar("Made", Commit, Commit | None)


class PushRefusedError(GitError):
    """The repository answered but refused every push."""

    def __init__(self, url: str, answer: str) -> None:
        """`answer` is Git's reason for the last refusal."""
        super().__init__(f"{url} refused the commit {ATTEMPTS} times: {answer}")
        self.answer = answer


@dataclass(frozen=True)
class EnvironmentRepository:
    """One branch of the repository at a path or URL.

    Attributes:
        path: the environment's folder, with a release file for each service.
        credentials: a folder with the files `username` and `password`, such as a mounted secret.
    """

    url: str
    branch: str = "main"
    path: str = environment_folder("local")
    credentials: Path | None = None

    @classmethod
    def of(cls, url: str, environment: str, credentials: Path | None = None) -> EnvironmentRepository:
        """The repository at a URL, with the branch that a clone would check out.

        Raises:
            GitError: it cannot be reached.
        """
        path = environment_folder(environment)
        branch = default_branch(url, cls(url, path=path, credentials=credentials)._settings)
        return cls(url, branch, path, credentials)

    def file(self, service: str) -> str:
        """The release file of a service."""
        return f"{self.path.strip('/')}/{service}.yaml"

    @contextmanager
    def fetched(self) -> Iterator[Repository]:
        """Yields a temporary copy of the branch; an empty repository begins with a commit of no files.

        Raises:
            GitError: the repository cannot be reached, or has no such branch.
        """
        with tempfile.TemporaryDirectory(prefix="canario-environment-") as folder:
            repository = Repository.create(Path(folder) / "environment.git", self.branch)
            self._fetch(repository)
            yield repository

    def _fetch(self, repository: Repository) -> None:
        try:
            repository.fetch(self.url, self._settings)
        except GitError:
            # Into an empty repository our own first commit is pushed.
            if not self._is_empty():
                raise

    def _is_empty(self) -> bool:
        try:
            return is_empty(self.url, self._settings)
        except GitError:
            return False

    def commit(self, make: Callable[[Repository], Made]) -> Made:
        """Pushes the commit that `make` makes; if somebody else pushed first, makes it again on the newest branch.

        Returns:
            What `make` returned.

        Raises:
            PushRefusedError: every push was refused.
            GitError: the repository cannot be read or written.
        """
        answer = ""
        for _ in range(ATTEMPTS):
            with self.fetched() as repository:
                made = make(repository)
                if made is None:
                    return made
                answer = repository.push(self.url, self._settings)
                if not answer:
                    return made
        raise PushRefusedError(self.url, answer)

    @property
    def _settings(self) -> Settings:
        """A credential helper that reads the files when Git asks: they may change, and stay out of command lines."""
        if self.credentials is None:
            return []
        name, word = (shlex.quote(str(self.credentials / file)) for file in ("username", "password"))
        helper = f'!f() {{ test "$1" = get && echo "username=$(cat {name})" && echo "password=$(cat {word})"; }}; f'
        return [("credential.helper", helper)]


def credentials_in(folder: Path, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Writes $GIT_USERNAME and $GIT_PASSWORD to files in a folder, as a mounted secret would be; None without them."""
    word = environment.get("GIT_PASSWORD")
    if not word:
        return None
    # A token of GitHub or GitLab stands for any name, but Git wants one.
    for name, text in (("username", environment.get("GIT_USERNAME") or "git"), ("password", word)):
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    return folder
