"""The commit that releases a version to an environment."""

from __future__ import annotations

import json
from collections.abc import Mapping

from components.git.repository import Commit, Repository
from components.releases.environment_repository import EnvironmentRepository
from components.releases.release_file import Release, release_text


def commit_release(
    repository: EnvironmentRepository, environment: str, release: Release, metrics: Mapping[str, float]
) -> str:
    """Commits a release and pushes it; returns the commit's id. A repetition commits nothing.

    Raises:
        GitError: Git refused; says why.
    """
    file, text = repository.file(release.service), release_text(release)
    found: list[str] = []

    def make(branch: Repository) -> Commit | None:
        if branch.read(file) == text:
            found.append(branch.last_change(file) or branch.head())
            return None
        return branch.write(file, text, release_message(release, environment, metrics))

    made = repository.commit(make)
    return made.id if made else found[-1]


def release_message(release: Release, environment: str, metrics: Mapping[str, float]) -> str:
    """The commit's message: version, package and metrics."""
    numbers = "\n".join(f"{name}: {value:.4f}" for name, value in metrics.items())
    changed = f"\n\nSettings: {json.dumps(release.settings, sort_keys=True)}" if release.settings else ""
    return (
        f"{release.service}: release version {release.version} to {environment}\n\n"
        f"Package: {release.package}\n\n{numbers}{changed}\n"
    )
