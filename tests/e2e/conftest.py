"""What the tests on a cluster share: the platform, the images, the environment and the callers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from components.image.server import SERVER_IMAGE, server_tag
from components.image.step_images import steps_tag
from components.releases.release_file import Image
from tests.e2e.callers import Callers
from tests.e2e.git_server import PORT, GitServer
from tests.e2e.kube import Kube
from tests.e2e.scenario import (
    CALLERS,
    DEMO,
    REGISTRY,
    ROOT,
    SERVICE,
    WITHOUT_TRACKING,
    Environment,
    Version,
    build_images,
    demo_packages,
    image_name,
    model_image,
    publish,
)
from tests.signing_keys import Keys, write_keys

HOST = f"{SERVICE}.canario.local"
#: Makes callers, of an address in the cluster, on any node or on one.
Calling = Callable[..., Callers]
#: The tests build on each other: first a champion from nothing, at last nothing again.
_ORDER = (
    *("chart_is_admitted", "promotion", "rollouts", "decisions", "disturbances", "tls", "scaling", "shadow"),
    "uninstall",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Brings the files of this folder into their order; those that it does not name stand on their own."""
    places = {f"test_{name}": place for place, name in enumerate(_ORDER)}
    items.sort(key=lambda item: places.get(item.path.stem, -1) if item.path.parent == Path(__file__).parent else -2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what the cluster looked like."""
    report = yield
    if report.failed and item.path.parent == Path(__file__).parent:
        named = getattr(item.module, "NAMESPACES", None) if isinstance(item, pytest.Function) else None
        for namespace in named or ("models", "canario"):
            report.sections.append((f"namespace {namespace}", Kube(namespace).described()))
    return report


@pytest.fixture(scope="session", autouse=True)
def cluster() -> None:
    """A cluster is named, and is not just whatever kubectl was used with last."""
    assert os.environ.get("KUBECONFIG"), "KUBECONFIG names no cluster; set it to one that these tests may use"


@pytest.fixture(scope="session")
def packages() -> dict[str, str]:
    """The demo's packages by version."""
    return demo_packages()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """What images and packages are signed with."""
    return write_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def server_image(cluster: None, keys: Keys) -> str:
    """The server's image, in the registry."""
    return publish(SERVER_IMAGE, server_tag(), keys.private)


@pytest.fixture(scope="session")
def steps_image(cluster: None, keys: Keys) -> str:
    """The image of the pipeline's steps, in the registry."""
    return publish("components", steps_tag(), keys.private)


@pytest.fixture(scope="session")
def programs(cluster: None) -> dict[str, Image]:
    """The images of the judge and the callers, on the cluster's nodes."""
    names = ("judge", "load")
    return dict(zip(names, build_images(*names), strict=True))


@pytest.fixture(scope="session")
def images(server_image: str, packages: dict[str, str]) -> dict[str, Image]:
    """The images of the demo's packages, in the registry."""
    return {package: model_image(package) for package in packages.values()}


@pytest.fixture(scope="session")
def repository(programs: dict[str, Image]) -> Iterator[GitServer]:
    """The environment repository, in which each release is a commit."""
    with GitServer(Kube("environment"), image_name(programs["judge"])) as server:
        yield server


@pytest.fixture(scope="session")
def install_platform(repository: GitServer) -> Callable[..., str]:
    """Installs the platform, or brings it up to date, by more settings, and tells what was said."""
    environment = ("--set", f"environment.url={repository.url}", "--set", f"environment.port={PORT}")
    return lambda *more: _install_platform("--admit", REGISTRY, *environment, *more)


@pytest.fixture(scope="session")
def platform(install_platform: Callable[..., str]) -> Iterator[None]:
    """The controllers, the namespaces and the judge, which reverts in the repository as long as it is there."""
    install_platform()
    judges = Kube("canario")  # their image's tag stays while it is worked on
    judges.run("rollout", "restart", "deployment/judge")
    judges.run("rollout", "status", "deployment/judge", "--timeout=120s")
    yield
    _install_platform()


def _install_platform(*settings: str) -> str:
    command = [sys.executable, "-m", "k8s.platform", "--env", "local", *WITHOUT_TRACKING, *settings]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def bare(platform: None) -> frozenset[str]:
    """What is in the namespace of the services before the first of them."""
    kube = Kube("models")
    assert kube.get("deployment", SERVICE) is None, f"{SERVICE} runs in {kube.namespace} already; uninstall it first"
    return kube.everything()


@pytest.fixture(scope="session")
def models(bare: frozenset[str]) -> Iterator[Kube]:
    """The namespace in which services run; what these tests brought is gone afterwards."""
    kube = Kube("models")
    yield kube
    subprocess.run(["helm", "uninstall", SERVICE, "--namespace", kube.namespace, "--ignore-not-found"], check=True)


@pytest.fixture(scope="session")
def environment(
    models: Kube, repository: GitServer, images: dict[str, Image], tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """Where releases of the demo's packages are written down."""
    return Environment(tmp_path_factory.mktemp("environment"), models.namespace, images, repository)


@pytest.fixture(scope="session")
def champion(environment: Environment, packages: dict[str, str]) -> None:
    """The demo's first version is served; the tests before may have promoted another by now."""
    environment.deploy(Version("1", packages["1"]))


@pytest.fixture(scope="session")
def load_image(programs: dict[str, Image]) -> str:
    """What callers run."""
    return image_name(programs["load"])


@pytest.fixture
def calling(platform: None, load_image: str) -> Calling:
    """Traffic from inside the cluster, as long as a `with` lasts."""
    kube = Kube(CALLERS)
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CALLERS}})

    def call(address: str = f"https://{HOST}", node: str = "") -> Callers:
        rows = DEMO / "data" / "live.parquet"
        return Callers(kube, address, DEMO / "service.yaml", rows, load_image, node)

    return call


@pytest.fixture
def callers(models: Kube, calling: Calling) -> Iterator[Callers]:
    """Traffic through the gateway, as long as a test lasts."""
    with calling() as running:
        yield running
