"""Undoes a release in the environment repository when its rollout has failed, and says why."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from services.judge.errors import RepositoryError
from services.judge.repository import Commit, Repository

_ATTEMPTS = 8


@dataclass(frozen=True)
class Environment:
    """Where releases are written down: `path` in a branch of the repository at `url`, a file a service.

    `credentials` is a folder with the files `username` and `password`, as a mounted secret has them.
    """

    url: str
    branch: str = "main"
    path: str = "k8s/envs/local"
    credentials: Path | None = None

    def file(self, service: str) -> str:
        """The file that says what runs of a service."""
        return f"{self.path.strip('/')}/{service}.yaml"


class _Failed(NamedTuple):
    """A release that was rolled back."""

    service: str
    version: str
    package: str

    @property
    def sentence(self) -> str:
        """How the revert's message begins to tell why."""
        return f"Version {self.version} ({self.package}){self.ending}"

    @property
    def ending(self) -> str:
        """How that ends, whichever version it was."""
        return f" of {self.service} was rolled back:"


def undo_release(environment: Environment, service: str, version: str, package: str, reason: str) -> Commit | None:
    """Reverts the commit that asked for a version with this package, at the remote repository.

    Two judges may do it at once, and one may do it again: whoever comes second finds another version there.

    Returns:
        The new commit; None when the branch does not ask for that release (any more).

    Raises:
        RepositoryError: the repository cannot be read or written, or the file was changed again since.
    """
    settings = _credential_settings(environment.credentials)
    with tempfile.TemporaryDirectory(prefix="canario-environment-") as folder:
        local = Repository.create(Path(folder) / "environment.git", environment.branch)
        refused = ""
        for _ in range(_ATTEMPTS):
            local.fetch(environment.url, settings)
            commit = _asking(local, environment.file(service), _Failed(service, version, package))
            made = local.revert(commit, reason) if commit else None
            if made is None:
                return None
            refused = local.push(environment.url, settings)
            if not refused:
                return made
    raise RepositoryError(f"{environment.url}: the revert was refused {_ATTEMPTS} times: {refused}")


def _asking(repository: Repository, file: str, failed: _Failed) -> str | None:
    """The commit by which the branch asks for this release; None if it asks for another.

    A revert is never undone: the release before may have the same version and package, and other settings, and one
    that serves again may fail with a new chart; the release that was rolled back is not the answer to either.
    """
    try:
        release = yaml.safe_load(repository.read(file) or "")
    except yaml.YAMLError as error:
        raise RepositoryError(f"{file}: is not YAML: {error}") from error
    wanted = release if isinstance(release, dict) else {}
    commit = repository.last_change(file)
    if commit is None or (str(wanted.get("version")), str(wanted.get("package"))) != (failed.version, failed.package):
        return None
    return None if failed.ending in repository.show(commit).message else commit


def _credential_settings(folder: Path | None) -> list[tuple[str, str]]:
    """A helper that reads the files when Git asks: they may be renewed, and are never in a command line."""
    if folder is None:
        return []
    name, word = (shlex.quote(str(folder / file)) for file in ("username", "password"))
    helper = f'!f() {{ test "$1" = get && echo "username=$(cat {name})" && echo "password=$(cat {word})"; }}; f'
    return [("credential.helper", helper)]


def revert_reason(service: str, version: str, package: str, reason: str, signals: Iterable[object]) -> str:
    """The judge's sentence and its numbers, as they stand in the message of the revert.

    `signals` are findings as `Verdict.to_dict` gives them; none is fine where nothing was measured.
    """
    head = f"{_Failed(service, version, package).sentence}\n{reason}"
    lines = [_signal_line(signal) for signal in signals if isinstance(signal, dict)]
    return "\n\n".join([head, "\n".join(lines)]) if lines else head


def _signal_line(signal: dict[str, object]) -> str:
    shown = (
        "state",
        "canary",
        "champion",
        "excess",
        "margin",
        "canary_observations",
        "champion_observations",
        "e_harm",
    )
    values = (f"{name} {_number(signal[name])}" for name in shown if signal.get(name) is not None)
    return f"- {signal.get('name')}: {', '.join(values)}"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
