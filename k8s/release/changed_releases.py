"""Lists the releases that a merge changed, or one chosen release.

    python -m k8s.release.changed_releases (--payload FILE | --env E --service S)

Prints a line `releases=[{"environment": ..., "service": ...}]` in the form of a workflow's output.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from components.errors import ComponentError, SpecError
from components.releases.release_file import release_file
from pipelines.trigger import changed_files, known_services, read_payload

_ROOT = Path(__file__).resolve().parents[2]
#: Environments whose clusters a workflow can reach; `local` is a developer's own.
ENVIRONMENTS = ("staging", "production")
_FILE = re.compile(r"k8s/envs/([a-z-]+)/([A-Za-z0-9_-]+)\.yaml")


def releases(changed: Iterable[str], released: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Environment and service of each changed release; a change of `platform` changes all of its environment."""
    found = {(match[1], match[2]) for file in changed if (match := _FILE.fullmatch(file))}
    platforms = {environment for environment, name in found if name == "platform"}
    return [
        (environment, service)
        for environment, service in sorted(released)
        if (environment, service) in found or environment in platforms
    ]


def released(root: Path) -> list[tuple[str, str]]:
    """Every release of the tree in the environments that a workflow can reach."""
    return [
        (environment, service)
        for environment in ENVIRONMENTS
        for service in known_services(root)
        if (root / release_file(environment, service)).is_file()
    ]


def _chosen(args: argparse.Namespace) -> list[tuple[str, str]]:
    there = released(args.root)
    if not (args.env or args.service):
        return releases(changed_files(read_payload(args.payload), args.root), there)
    if (args.env, args.service) not in there:
        raise SpecError(f"{args.env}/{args.service} is no release here; there are: {there}")
    return [(args.env, args.service)]


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 2 when the changes cannot be determined."""
    parser = argparse.ArgumentParser(
        prog="python -m k8s.release.changed_releases", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--payload", type=Path, required=True, help="the push, as a JSON file")
    parser.add_argument("--env", default="", help="with --service: list this release, whatever was pushed")
    parser.add_argument("--service", default="")
    parser.add_argument("--root", type=Path, default=_ROOT, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    try:
        found = [{"environment": environment, "service": service} for environment, service in _chosen(args)]
    except ComponentError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"releases={json.dumps(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
