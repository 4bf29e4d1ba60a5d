"""The demo's versions as images, and their releases: what the twin did on this machine is done on a cluster."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from components.environment import Image, release_file, release_text
from k8s.deploy.environment import ClusterRelease
from tests.e2e.git_server import GitServer

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "build" / "demo"
SERVICE = "churn"
#: How an image of the local store gets to the cluster's nodes.
LOADER = os.environ.get("CANARIO_LOAD_IMAGE", "kind load docker-image")


@dataclass(frozen=True)
class Version:
    """One release: which of the demo's packages it serves, with which settings."""

    number: str
    package: str
    settings: dict[str, str] = field(default_factory=dict)


def demo_packages() -> dict[str, str]:
    """Digests of the demo's packages by version.

    Raises:
        AssertionError: there was no demo that ended right with the default fault.
    """
    path = DEMO / "summary.json"
    assert path.exists(), f"{path} is not there; run `make demo` first"
    summary = json.loads(path.read_text(encoding="utf-8"))
    assert (summary["ok"], summary["fault"], summary["service"]) == (True, "wrong-unit", SERVICE), (
        f"{path} is of another demo; run `make demo` first"
    )
    return {str(version["version"]): version["package"] for version in summary["versions"]}


def build_image(*what: str) -> str:
    """Makes an image and brings it to the cluster; its name with the tag."""
    out = ROOT / "build" / "e2e"
    done = _run(sys.executable, "-m", "services.image", *what, "--out", str(out))
    record = json.loads(Path(done.rpartition("; ")[2].split(" says so")[0]).read_text(encoding="utf-8"))
    name = f"{record['name']}:{record['tag']}"
    _run(*shlex.split(LOADER), name)
    return name


def model_image(package: str) -> Image:
    """The image of one of the demo's packages."""
    folder = DEMO / "store" / "packages" / package.removeprefix("sha256:")
    repository, _, tag = build_image("--spec", str(DEMO / "service.yaml"), "--package", str(folder)).rpartition(":")
    return Image(repository=repository, tag=tag)


class Environment:
    """A folder with `k8s/envs/local`, from which `k8s.deploy` brings releases to the cluster."""

    def __init__(self, root: Path, namespace: str, images: dict[str, Image], repository: GitServer) -> None:
        """`images` by package; `repository` is where each release is committed."""
        self._root, self._namespace, self._images, self._repository = root, namespace, images, repository
        shutil.copytree(ROOT / "k8s" / "envs" / "local", root / "k8s" / "envs" / "local")

    def deploy(self, version: Version, *options: str) -> str:
        """Commits the release and deploys it; what the command said."""
        release = ClusterRelease(
            service=SERVICE,
            version=version.number,
            package=version.package,
            image=self._images[version.package],
            settings=version.settings,
        )
        file, text = release_file("local", SERVICE), release_text(release)
        self._repository.commit(file, text, f"{SERVICE}: release version {version.number} to local")
        (self._root / file).write_text(text, encoding="utf-8")
        command = ["k8s.deploy", "--spec", str(DEMO / "service.yaml"), "--env", "local", "--root", str(self._root)]
        return _run(sys.executable, "-m", *command, "--namespace", self._namespace, *options)


def _run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout
