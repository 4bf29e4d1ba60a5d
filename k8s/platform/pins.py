"""Writes which images an environment runs: `python -m k8s.platform.pins --env staging --record FILE`.

In a registry a program's tag tells its content, so no file can know it beforehand. If the environment's values of the
chart canario name the published image's repository, its digest is written to `k8s/envs/<env>/images.yaml`. Commit that.
Other environments stay as they are, even with the same registry: what runs there passed before.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from components.errors import ComponentError
from components.files import write_atomically
from components.image.record import BuiltImage, read_record
from components.releases.release_file import environment_folder
from k8s.errors import DeployError
from k8s.rendering.environment_files import merged, read_platform
from k8s.rendering.platform_values import PLATFORM, platform_images

_ROOT = Path(__file__).resolve().parents[2]
_HEAD = "# The platform's images here; `make publish` writes them.\n"


def pin(root: Path, environment: str, image: BuiltImage) -> Path | None:
    """Names a published program in an environment that takes it from its repository; the file if it was written.

    Raises:
        EnvironmentFileError: there is no such environment.
    """
    folder = root / environment_folder(environment)
    read_platform(folder / "platform.yaml")
    values = merged(_yaml(root / "helm" / PLATFORM / "values.yaml"), _yaml(folder / f"{PLATFORM}.yaml"))
    file = platform_images(folder)
    pinned = _yaml(file)
    for part in _parts(values, image.name):
        pinned = merged(pinned, {part: {"image": {"digest": image.published}}})
    return write_atomically(file, _HEAD + yaml.safe_dump(pinned)) if pinned != _yaml(file) else None


def _parts(values: Mapping[str, Any], repository: str) -> Iterator[str]:
    for name, part in values.items():
        if isinstance(part, dict) and "image" in part:
            named = (part["image"] or {}).get("repository") or f"{values.get('registry')}/{name}"
            if named == repository:
                yield name


def _yaml(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8")) or {} if file.is_file() else {}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when a file cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m k8s.platform.pins", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", required=True, help="a folder of k8s/envs")
    parser.add_argument("--record", type=Path, required=True, help="the record of an image that `make publish` wrote")
    parser.add_argument("--root", type=Path, default=_ROOT, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    try:
        image = read_record(args.record)
        path = pin(args.root, args.env, image) if image.published else None
    except (ComponentError, DeployError) as error:
        print(error, file=sys.stderr)
        return 1
    if path:
        print(f"{path.relative_to(args.root)} names {image.name}@{image.published}; `make render`, and commit both")
    return 0


if __name__ == "__main__":
    sys.exit(main())
