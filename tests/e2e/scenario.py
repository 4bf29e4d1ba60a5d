"""The demo's versions as images, and their releases: what the twin did on this machine is done on a cluster."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from components.image.image_name import ImageName
from components.image.record import BuiltImage, read_record
from components.image.repository import open_repository
from components.releases.release_file import Image, release_file, release_text
from k8s.cluster.nodes import bring
from k8s.rendering.environment_files import ClusterRelease
from k8s.rendering.gateway import ca_file
from tests.e2e.git_server import GitServer

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "build" / "demo"
SERVICE = "churn"
#: The namespace from which traffic comes.
CALLERS = "callers"
#: The platform without MLflow and what it stands on, which would only take its time from what is measured.
WITHOUT_TRACKING = ("--set", "mlflow.enabled=false", "--set", "stores.enabled=false")
#: Registry and folder of the models' images, which nodes, pods and this machine reach under the same name.
REGISTRY = os.environ.get("REGISTRY", "")
_OUT = ROOT / "build" / "e2e"
#: Half the traffic at once, and then all of it. By steps a canary may be both harmful and safe enough for a
#: little more traffic, and which of the two is shown first is chance; here what is not safe is harm.
AT_ONCE = {"step_weight": 50, "max_weight": 50}


BY_STEPS = {"step_weight": 10, "max_weight": 50}
#: Errors above 28 requests a second of a replica: of the callers' 200 none meets one with a tenth of the traffic.
UNDER_LOAD = {"CANARIO_FAULT_ERROR_RATIO": "0.05", "CANARIO_FAULT_ERROR_ABOVE": "28"}


@dataclass(frozen=True)
class Version:
    """One release: which of the demo's packages it serves, with which settings."""

    number: str
    package: str
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BadVersion:
    """A version with one of the demo's faults, the signal that must show it, and the steps of its rollout."""

    fault: str
    version: Version
    signal: str
    steps: dict[str, int] = field(default_factory=lambda: AT_ONCE)


def bad_versions(packages: dict[str, str]) -> list[BadVersion]:
    """The faults that only live traffic shows; the wrong unit is that of the demo, in its third version."""
    good = packages["2"]
    return [
        BadVersion("wrong-unit", Version("3", packages["3"]), "score_shift"),
        BadVersion("errors", Version("4", good, {"CANARIO_FAULT_ERROR_RATIO": "0.05"}), "error_ratio"),
        BadVersion("slow", Version("5", good, {"CANARIO_FAULT_SLOW_RATIO": "0.05"}), "slow_ratio"),
        BadVersion("worse", Version("6", good, {"CANARIO_FAULT_STALE_RATIO": "1"}), "label_loss"),
        BadVersion("under-load", Version("7", good, UNDER_LOAD), "error_ratio", BY_STEPS),
        BadVersion("lossy", Version("8", good, {"CANARIO_FAULT_LOST_RATIO": "0.2"}), "lost_ratio"),
        BadVersion("swapped-classes", Version("9", good, {"CANARIO_FAULT_SWAPPED_RATIO": "1"}), "score_shift"),
    ]


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


def build_images(*programs: str) -> list[Image]:
    """Makes the images of programs; one is brought to the cluster's nodes while the next is made."""
    images, under_way = [], []
    with ThreadPoolExecutor(max_workers=1) as bringing:
        for program in programs:
            record = _built(program, "--component", program)
            images.append(Image(repository=record.name, tag=record.tag))
            under_way.append(bringing.submit(bring, image_name(images[-1]), print))
        for brought in under_way:
            brought.result()
    return images


def build_image(program: str) -> str:
    """Makes a program's image and brings it to the cluster; its name with the tag."""
    return image_name(*build_images(program))


def model_image(package: str) -> Image:
    """Writes the image of one of the demo's packages to the registry, from which nodes pull it."""
    what = ("--spec", str(DEMO / "service.yaml"), "--package", str(package_folder(package)))
    record = _built(SERVICE, *what, "--name", f"{REGISTRY}/{SERVICE}")
    return Image(repository=record.name, tag=record.tag, digest=record.digest)


def _built(name: str, *what: str) -> BuiltImage:
    """The record `name` of an image that was made."""
    _run(sys.executable, "-m", "services.image", *what, "--out", str(_OUT))
    return read_record(_record(name))


def _record(name: str) -> Path:
    return _OUT / "images" / f"{name}.json"


def publish(part: str, tag: str, key: Path) -> str:
    """Brings a part's image, signed, to the registry, unless it is there; its name with the tag.

    Args:
        part: such as `server`; one whose tag is that of its content.
        tag: the tag that it has.
        key: private key in PEM.
    """
    assert REGISTRY, "REGISTRY names no registry that nodes and this machine reach; `make cluster` brings one"
    name = ImageName.parse(f"{REGISTRY}/{part}:{tag}")
    if not open_repository(name).digest_of(tag):
        _built(part, "--component", part, "--name", name.bare)
        places = ("--record", str(_record(part)), "--out", str(_OUT))
        _run(sys.executable, "-m", "services.image.publish", *places, "--key", str(key))
    return f"{name.bare}:{tag}"


def image_name(image: Image) -> str:
    """The name of an image with its tag."""
    return f"{image.repository}:{image.tag}"


def package_folder(package: str) -> Path:
    """Where the demo keeps a package."""
    return DEMO / "store" / "packages" / package.removeprefix("sha256:")


def spec_with(folder: Path, **rollout: Any) -> Path:
    """The demo's spec, judged otherwise."""
    document = yaml.safe_load((DEMO / "service.yaml").read_text(encoding="utf-8"))
    document["rollout"] |= rollout
    path = folder / "service.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


class Environment:
    """A folder with `k8s/envs/local`, from which `k8s.deploy` brings releases to the cluster."""

    def __init__(self, root: Path, namespace: str, images: dict[str, Image], repository: GitServer) -> None:
        """`images` by package; `repository` is where each release is committed."""
        self._root, self._namespace, self._images, self._repository = root, namespace, images, repository
        write_platform(root, callers=[CALLERS])

    def deploy(self, version: Version, *options: str, spec: Path = DEMO / "service.yaml") -> str:
        """Commits the release and deploys it; what the command said."""
        release = ClusterRelease(
            service=SERVICE,
            version=version.number,
            package=version.package,
            image=self._images[version.package],
            settings=version.settings,
        )
        file, text = release_file("local", SERVICE), release_text(release)
        self._repository.commit({file: text}, f"{SERVICE}: release version {version.number} to local")
        return deploy(self._root, self._namespace, spec, release, *options)


def write_platform(root: Path, **values: Any) -> None:
    """The local environment in a folder, with more values of the chart, and the authority of its gateway."""
    shutil.copytree(ROOT / "k8s" / "envs" / "local", root / "k8s" / "envs" / "local")
    authority = ca_file(root, "local")
    authority.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ca_file(ROOT, "local"), authority)
    path = root / "k8s" / "envs" / "local" / "platform.yaml"
    platform = yaml.safe_load(path.read_text(encoding="utf-8"))
    platform["values"] |= values
    path.write_text(yaml.safe_dump(platform, sort_keys=False), encoding="utf-8")


def deploy(root: Path, namespace: str, spec: Path, release: ClusterRelease, *options: str) -> str:
    """Writes a release into the local environment of a folder and deploys it; what the command said."""
    (root / release_file("local", SERVICE)).write_text(release_text(release), encoding="utf-8")
    command = ["k8s.deploy", "--spec", str(spec), "--env", "local", "--root", str(root)]
    return _run(sys.executable, "-m", *command, "--namespace", namespace, *options)


def _run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout
