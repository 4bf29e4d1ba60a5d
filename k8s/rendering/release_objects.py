"""Prints the files of a release as JSON, path -> text: its own file, and what Flux applies.

    python -m k8s.rendering.release_objects --root TREE --env staging --release release.yaml

The pipeline's last step, which has no charts of its own, asks this program.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from components.errors import ComponentError
from components.releases.release_file import Release
from components.spec.reading.strict_yaml import load_yaml
from k8s.errors import DeployError
from k8s.rendering.render import release_changes


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when the release cannot run in the environment."""
    parser = argparse.ArgumentParser(
        prog="python -m k8s.rendering.release_objects",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--root", type=Path, required=True, help="a tree with charts, services and environments")
    parser.add_argument("--env", required=True, help="a folder of k8s/envs in that tree")
    parser.add_argument("--release", type=Path, required=True, help="the release file to write")
    args = parser.parse_args(arguments)
    try:
        document = load_yaml(args.release.read_text(encoding="utf-8"))
        release = Release.read(document if isinstance(document, dict) else {}, args.release.name)
        print(json.dumps(release_changes(args.root, args.env, release)))
    except (ComponentError, DeployError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
