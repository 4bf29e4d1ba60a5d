"""Commits a release to an environment: `python -m k8s.release.propose --spec S --env staging --repository URL`.

It takes the latest result of `make train` and `make image`, and pushes one commit to the branch that the environments
follow. For changes by pull request, `k8s.release.pull_request` writes the same files.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.errors import ComponentError, SpecError
from components.git.repository import Commit, Repository
from components.releases.environment_repository import EnvironmentRepository
from components.releases.release_commit import release_message
from components.releases.release_file import environment_folder
from components.spec.reading.loading import load_spec
from k8s.errors import DeployError
from k8s.release.pull_request import check_published, newest
from k8s.rendering.environment_files import ClusterRelease
from k8s.rendering.render import repository_changes

_ROOT = Path(__file__).resolve().parents[2]


def propose(url: str, branch: str, environment: str, release: ClusterRelease, message: str) -> Commit:
    """Pushes a release, with the objects that Flux applies if it follows the environment; safe to repeat.

    Raises:
        DeployError: the release cannot run in the environment, or demands a digest that the image lacks.
        ComponentError: the service's spec in the repository is wrong.
        GitError: the repository cannot be read or written.
    """

    def make(repository: Repository) -> Commit:
        check_published(release, environment, repository.read)
        return repository.write_all(repository_changes(repository, environment, release), message)

    return EnvironmentRepository(url, branch, environment_folder(environment)).commit(make)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when nothing is proposed, 2 for a wrong spec."""
    args = _parser().parse_args(arguments)
    try:
        made = _propose(args)
    except SpecError as error:
        print(error, file=sys.stderr)
        return 2
    except (DeployError, ComponentError) as error:
        print(f"not proposed: {error}", file=sys.stderr)
        return 1
    print(f"{made.subject}: commit {made.id}")
    return 0


def _propose(args: argparse.Namespace) -> Commit:
    service = load_spec(args.spec).name
    release, result = newest(args.root, service)
    message = release_message(release, args.env, result["metrics"])
    return propose(args.repository, args.branch, args.env, release, message)


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
