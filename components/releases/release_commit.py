"""The commit that releases a version to an environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from components.git.repository import Commit, Repository
from components.releases.environment_repository import EnvironmentRepository
from components.releases.release_file import Release, release_text
from components.releases.rendering import rendered_texts


@dataclass(frozen=True)
class ReleaseCommit:
    """The commit of a release, "" if there is none, and a sentence about it."""

    commit: str
    says: str


def commit_release(
    repository: EnvironmentRepository, environment: str, release: Release, metrics: Mapping[str, float]
) -> ReleaseCommit:
    """Commits a release and pushes it, together with what Flux applies if it follows the environment.

    A repetition commits nothing. Nor does a release that the environment had before and has no more: it was replaced
    or rolled back, so the same run that is started again, such as by the calendar, must not bring it back.

    Raises:
        GitError: Git refused; says why.
        ReleaseError: what Flux applies cannot be made.
    """
    file, text = repository.file(release.service), release_text(release)
    found: list[ReleaseCommit] = []

    def make(branch: Repository) -> Commit | None:
        earlier = branch.last_with(file, text)
        if branch.read(file) == text:
            there = earlier or branch.head()
            found.append(ReleaseCommit(there, f"commit {there} in {repository.url} has it already"))
        elif earlier:
            found.append(ReleaseCommit("", _gone(release, environment, earlier)))
        else:
            texts = {file: text, **rendered_texts(branch, environment, release)}
            return branch.write_all(texts, release_message(release, environment, metrics))
        return None

    made = repository.commit(make)
    return ReleaseCommit(made.id, f"commit {made.id} in {repository.url}") if made else found[-1]


def _gone(release: Release, environment: str, commit: str) -> str:
    return (
        f"version {release.version} was in {environment} until it was replaced or rolled back (see commit {commit}), so"
        " it is not released again; `make propose` would do so"
    )


def release_message(release: Release, environment: str, metrics: Mapping[str, float]) -> str:
    """The commit's message: version, package and metrics."""
    numbers = "\n".join(f"{name}: {value:.4f}" for name, value in metrics.items())
    changed = f"\n\nSettings: {json.dumps(release.settings, sort_keys=True)}" if release.settings else ""
    return (
        f"{release.service}: release version {release.version} to {environment}\n\n"
        f"Package: {release.package}\n\n{numbers}{changed}\n"
    )
