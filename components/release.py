"""Step: proposes a version for an environment: a commit in its Git repository.

Nothing is served by this step; what watches the repository does that.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kfp import dsl

from components.errors import ComponentError
from components.releases.release_file import Image, Release, release_file, release_text
from components.step import step

#: How often a push is tried again after somebody else pushed first.
ATTEMPTS = 5


@dataclass(frozen=True)
class Proposal:
    """What an environment is to serve.

    Attributes:
        repository: path or URL of the environment repository.
        settings: environment variables of the served program.
        image: the image that holds the package, for a cluster.
    """

    repository: str
    environment: str
    service: str
    version: str
    package: str
    settings: Mapping[str, str] = field(default_factory=dict)
    image: Image | None = None

    @property
    def file(self) -> str:
        """The proposal's place in the repository."""
        return release_file(self.environment, self.service)

    @property
    def content(self) -> str:
        """The proposal's file.

        Raises:
            ReleaseError: it would be no release; every fault is named.
        """
        document = {
            "service": self.service,
            "version": self.version,
            "package": self.package,
            "settings": dict(self.settings),
            "image": self.image,
        }
        return release_text(Release.read(document, self.file))


def release_version(proposal: Proposal, metrics: Mapping[str, float]) -> str:
    """Commits a proposal and pushes it; the commit's id. Doing it again commits nothing.

    Raises:
        ComponentError: Git refused; says why.
    """
    for attempt in range(ATTEMPTS):
        with tempfile.TemporaryDirectory() as folder:
            clone = Path(folder, "clone")
            _git(Path(folder), "clone", "--quiet", proposal.repository, str(clone))
            file = clone / proposal.file
            if file.exists() and file.read_text(encoding="utf-8") == proposal.content:
                return _git(clone, "log", "-1", "--format=%H", "--", proposal.file)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(proposal.content, encoding="utf-8")
            _git(clone, "add", "--", proposal.file)
            _git(clone, "commit", "--quiet", "-m", commit_message(proposal, metrics))
            if _push(clone, last=attempt == ATTEMPTS - 1):
                return _git(clone, "rev-parse", "HEAD")
    raise AssertionError("the last push either succeeds or raises")


def commit_message(proposal: Proposal, metrics: Mapping[str, float]) -> str:
    """What the commit says: version, package and how good it was."""
    numbers = "\n".join(f"{name}: {value:.4f}" for name, value in metrics.items())
    changed = f"\n\nSettings: {json.dumps(dict(proposal.settings), sort_keys=True)}" if proposal.settings else ""
    return (
        f"{proposal.service}: release version {proposal.version} to {proposal.environment}\n\n"
        f"Package: {proposal.package}\n\n{numbers}{changed}\n"
    )


def _push(clone: Path, *, last: bool) -> bool:
    try:
        _git(clone, "push", "--quiet", "origin", "HEAD")
    except ComponentError:
        if last:
            raise
        return False
    return True


def _git(folder: Path, *arguments: str) -> str:
    """Runs Git as canario, whatever the user's own settings are."""
    identity = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", "canario"), ("EMAIL", "canario@localhost"))
    }
    settings = ["safe.directory=*", "commit.gpgsign=false", "core.hooksPath=/dev/null", "core.autocrlf=false"]
    options = [part for setting in settings for part in ("-c", setting)]
    done = subprocess.run(
        ["git", *options, *arguments],
        cwd=folder,
        env={**os.environ, **identity, "GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ComponentError(f"git {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


@step
def release(
    service: str,
    repository: str,
    environment: str,
    settings: str,
    version: str,
    package: str,
    evaluation: dsl.Input[dsl.Artifact],
) -> str:
    """Commits the version to the environment's repository; returns the commit, or "" where there is none."""
    import json
    from pathlib import Path

    from components.evaluation.result import Evaluation
    from components.release import Proposal, release_version

    if not repository:
        print("no environment repository, so nothing is released")
        return ""
    measured = Evaluation.model_validate_json(Path(evaluation.path).read_bytes())
    proposal = Proposal(repository, environment, service, version, package, json.loads(settings))
    commit = release_version(proposal, {name: interval.value for name, interval in measured.metrics.items()})
    print(f"commit {commit} in {repository}")
    return commit
