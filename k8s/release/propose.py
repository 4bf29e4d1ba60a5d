"""Commits a release to an environment: `python -m k8s.release.propose --spec S --env staging --repository URL`.

It takes what `make train` and `make image` made last, and pushes one commit to the branch that the environments follow.
Where changes come by pull requests, `k8s.release.pull_request` writes the same files for one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from components.errors import ComponentError, SpecError
from components.release import Proposal, commit_message
from components.spec.loading import load_spec
from k8s.errors import DeployError, EnvironmentFileError
from k8s.release.pull_request import newest
from k8s.rendering.environment_files import ClusterRelease
from k8s.rendering.render import release_changes
from services.judge.errors import RepositoryError
from services.judge.repository import Commit, Repository

_ROOT = Path(__file__).resolve().parents[2]
_ATTEMPTS = 8


def propose(url: str, branch: str, environment: str, release: ClusterRelease, message: str) -> Commit:
    """Pushes a release, with the objects that Flux applies where the environment is followed; twice is once.

    Raises:
        EnvironmentFileError: the push is refused, again and again.
        DeployError: the release cannot run in the environment.
        ComponentError: the service's spec in the repository is wrong.
        RepositoryError: the repository cannot be read or written.
    """
    refused = ""
    for _ in range(_ATTEMPTS):
        with tempfile.TemporaryDirectory(prefix="canario-propose-") as folder:
            repository = Repository.create(Path(folder) / "environment.git", branch)
            repository.fetch(url)
            tree = Path(folder) / "tree"
            repository.export(tree)
            made = repository.write_all(release_changes(tree, environment, release), message)
            refused = repository.push(url)
            if not refused:
                return made
    raise EnvironmentFileError(f"{url} refused the commit {_ATTEMPTS} times: {refused}")


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit status is 1 when nothing is proposed, 2 for a wrong spec."""
    asked = _parser().parse_args(arguments)
    try:
        made = _propose(asked)
    except SpecError as error:
        print(error, file=sys.stderr)
        return 2
    except (DeployError, ComponentError, RepositoryError) as error:
        print(f"not proposed: {error}", file=sys.stderr)
        return 1
    print(f"{made.subject}: commit {made.id}")
    return 0


def _propose(asked: argparse.Namespace) -> Commit:
    service = load_spec(asked.spec).name
    release, result = newest(asked.root, service)
    where = Proposal(asked.repository, asked.env, service, release.version, release.package, image=release.image)
    return propose(asked.repository, asked.branch, asked.env, release, commit_message(where, result["metrics"]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.release.propose", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", type=Path, required=True, help="a service.yaml")
    parser.add_argument("--env", required=True, help="a folder of k8s/envs")
    parser.add_argument("--repository", required=True, help="path or URL of the environment repository")
    parser.add_argument("--branch", default="main", help="the branch that the environments follow (default main)")
    parser.add_argument("--root", type=Path, default=_ROOT, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
