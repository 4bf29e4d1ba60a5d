"""Reads a version's history from the environment repository: the commits that requested it or took it back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from components.errors import ReleaseError
from components.git.command import git
from components.releases.release_file import named_release, release_file
from k8s.audit.records import History, Step, commit_record, release_record

_REVERTS: Final = re.compile(r"^This reverts commit ([0-9a-f]{40,64})\.", re.MULTILINE)


def read_history(repository: Path, service: str, package: str, folder: Path) -> History:
    """Returns the steps of a package, oldest first; writes each step's commit and release file below `folder`.

    Raises:
        GitError: the repository cannot be read.
    """
    head = git(repository, "rev-parse", "--verify", "HEAD").decode().strip()
    environments = release_file("*", service)
    every = ("log", "--full-history", "--topo-order", "--reverse", "--format=%H", head)
    listed = git(repository, *every, "--", f":(glob){environments}").decode().split()
    steps: list[Step] = []
    for commit in listed:
        for environment in _changed(repository, commit, service):
            kind = _kind(repository, commit, environment, service, package, steps)
            if kind:
                steps.append(
                    Step(commit=commit, kind=kind, environment=environment, merge=_merge(repository, commit, head))
                )
    for step in steps:
        _keep(repository, step, service, folder)
    return History(head=head, steps=tuple(steps))


def _changed(repository: Path, commit: str, service: str) -> list[str]:
    """The environments whose release a commit changed; a merge counts only where it differs from all parents."""
    shape = re.compile(re.escape(release_file("*", service)).replace(r"\*", "([a-z0-9-]+)"))
    names = git(repository, "diff-tree", "--root", "--no-commit-id", "--name-only", "-r", "-c", "-z", commit)
    found = [shape.fullmatch(name) for name in names.decode(errors="replace").split("\0")]
    return sorted({match[1] for match in found if match})


def _kind(repository: Path, commit: str, environment: str, service: str, package: str, before: list[Step]) -> str:
    """A commit's kind for the package in an environment; empty when the commit is about another package."""
    if _named(repository, commit, environment, service) == package:
        return "release"
    message = git(repository, "show", "--no-patch", "--format=%B", commit).decode(errors="replace")
    reverted = _REVERTS.findall(message)
    here = [step for step in before if step.environment == environment]
    return "revert" if any(step.commit in reverted or step.merge in reverted for step in here) else ""


def _named(repository: Path, commit: str, environment: str, service: str) -> str | None:
    """The package that the release names at a commit; None if it names none."""
    try:
        text = _text(repository, commit, environment, service).decode(errors="replace")
        return named_release(text, release_file(environment, service)).package
    except ReleaseError:
        return None


def _text(repository: Path, commit: str, environment: str, service: str) -> bytes:
    """The release file at a commit; empty when the commit removed it."""
    file = release_file(environment, service)
    there = git(repository, "ls-tree", "--name-only", commit, "--", file).strip()
    return git(repository, "show", f"{commit}:{file}") if there else b""


def _merge(repository: Path, commit: str, head: str) -> str | None:
    """The merge that brought a commit to the branch; None for a commit made on the branch itself."""
    if commit in git(repository, "rev-list", "--first-parent", head).decode().split():
        return None
    way = ("rev-list", "--first-parent", "--merges", "--reverse", "--ancestry-path", f"{commit}..{head}")
    merges = git(repository, *way).decode().split()
    return merges[0] if merges else None


def _keep(repository: Path, step: Step, service: str, folder: Path) -> None:
    for commit in filter(None, (step.commit, step.merge)):
        path = folder / commit_record(commit)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(git(repository, "cat-file", "commit", commit))
    (folder / release_record(step)).write_bytes(_text(repository, step.commit, step.environment, service))
