"""Writes the files of a pull request that releases a version.

    python -m k8s.release.pull_request --spec S --env staging --reason R

It takes the latest result of `make train` and `make image`. It writes the release to `k8s/envs/<env>/<service>.yaml`,
the objects that Flux applies beside it, and the pull request's `branch`, `title` and `body.md` to the folder --out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import ComponentError, SpecError
from components.files import read_if_there, write_atomically
from components.releases.release_file import Release
from components.spec.reading.loading import load_spec
from k8s.errors import DeployError, EnvironmentFileError
from k8s.rendering.environment_files import ClusterRelease, built_release
from k8s.rendering.environment_registry import demands_digests
from k8s.rendering.render import release_changes

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class PullRequest:
    """The branch and the texts of a pull request."""

    branch: str
    title: str
    body: str


def pull_request(release: Release, environment: str, result: Mapping[str, Any], reason: str) -> PullRequest:
    """The pull request for a release; `result` is the result of its training."""
    named = f"{release.service}-{release.version}-{release.package.removeprefix('sha256:')[:12]}"
    title = f"{release.service}: release version {release.version} to {environment}"
    return PullRequest(f"release/{environment}/{named}", title, _body(release, environment, result, reason))


def _body(release: Release, environment: str, result: Mapping[str, Any], reason: str) -> str:
    metrics = "".join(f"| {name} | {value:.4f} |\n" for name, value in sorted(result["metrics"].items()))
    champion = result.get("champion") or "none, it is the first"
    rows = result["snapshot"]["rows"]
    data = f"`{result['snapshot']['digest']}`" + ("" if rows is None else f", {rows} rows")
    return (
        f"It was trained because {reason}. Every offline gate passed. Merging deploys it to {environment} as a canary,"
        " which the judge promotes or rolls back.\n\n"
        f"- Package: `{release.package}`\n- Data: {data}\n"
        f"- Compared with: {champion}\n\n| metric on the hold-out | value |\n| --- | --- |\n{metrics}"
    )


def newest(root: Path, service: str) -> tuple[ClusterRelease, dict[str, Any]]:
    """The release of the latest image, and the result of its training.

    Raises:
        EnvironmentFileError: a file is missing, the training failed, or it made another package than the image holds.
    """
    result = _result(root / "build" / "train" / service / "result.json")
    version = str(result.get("model_version"))
    release = built_release(root / "build" / "images" / f"{service}.json", service, version)
    if result.get("status") != "ok":
        raise EnvironmentFileError(f"training {service} ended with {result.get('message')!r}; mend that first")
    if result.get("digest") != release.package:
        raise EnvironmentFileError(
            f"the image holds {release.package[:19]} and training made {str(result.get('digest'))[:19]}; `make image`"
        )
    return release, result


def check_published(release: ClusterRelease, environment: str, read: Callable[[str], str | None]) -> None:
    """Refuses an image that the environment would not let in, as it has no digest; `read` gives a file's text, or None.

    Raises:
        EnvironmentFileError: it has none, and the environment demands one.
    """
    if not release.image.digest and demands_digests(environment, read):
        raise EnvironmentFileError(
            f"{release.image.repository} is in no registry yet; "
            f"`make publish SERVICE={release.service} ENV={environment}`"
        )


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when there is nothing to release, 2 for a wrong spec."""
    args = _parser().parse_args(arguments)
    try:
        written = _request(args)
    except SpecError as error:
        print(error, file=sys.stderr)
        return 2
    except (DeployError, ComponentError) as error:
        print(f"no release: {error}", file=sys.stderr)
        return 1
    print(f"{written.title}: branch {written.branch}")
    return 0


def _request(args: argparse.Namespace) -> PullRequest:
    service = load_spec(args.spec).name
    release, result = newest(args.root, service)
    check_published(release, args.env, lambda file: read_if_there(args.root / file))
    request = pull_request(release, args.env, result, args.reason)
    changes = release_changes(args.root, args.env, release)
    for name, text in (("branch", request.branch), ("title", request.title), ("body.md", request.body)):
        write_atomically(args.out / name, text.rstrip("\n") + "\n")
    for file, text in changes.items():
        write_atomically(args.root / file, text)
    return request


def _result(path: Path) -> dict[str, Any]:
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EnvironmentFileError(f"{path} cannot be read ({error}); `make train` writes it") from error
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.release.pull_request",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--spec", type=Path, required=True, help="a service.yaml")
    parser.add_argument("--env", required=True, help="a folder of k8s/envs")
    parser.add_argument("--reason", required=True, help="why it was trained, worded to follow 'because'")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pull request's texts")
    parser.add_argument("--root", type=Path, default=_ROOT, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
