"""The objects that Flux applies for a release, made by the program that renders charts.

Rendering needs the charts and Helm, which are none of the components'. So it is a program of the image, and this
module starts it by its name.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from components.errors import ReleaseError
from components.git.repository import Repository
from components.releases.release_file import Release, environment_folder, release_text

_PROGRAM: Final = "k8s.rendering.release_objects"


def is_followed(branch: Repository, environment: str) -> bool:
    """Whether a cluster follows the environment through Flux, which applies rendered objects."""
    return branch.read(f"{environment_folder(environment)}/flux/kustomization.yaml") is not None


def rendered_texts(branch: Repository, environment: str, release: Release) -> dict[str, str]:
    """The files that Flux applies for a release, path -> text, made from the branch's own charts; none if not followed.

    Raises:
        ReleaseError: the release cannot run in this environment, or cannot be rendered here.
    """
    if not is_followed(branch, environment):
        return {}
    if release.image is None:
        raise ReleaseError(
            f"{environment}: a cluster runs images, and the release of {release.service} names none; name the registry "
            "for them (REGISTRY=host/folder)"
        )
    with tempfile.TemporaryDirectory(prefix="canario-release-") as folder:
        branch.export(Path(folder, "tree"))
        file = Path(folder, "release.yaml")
        file.write_text(release_text(release), encoding="utf-8")
        command = [sys.executable, "-m", _PROGRAM, "--root", f"{folder}/tree", "--env", environment]
        done = subprocess.run([*command, "--release", str(file)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{environment}: the release cannot be rendered: {done.stderr.strip() or 'no reason said'}")
    texts: dict[str, str] = json.loads(done.stdout)
    return texts
