"""What the tests on a cluster share: the platform, the images, the environment and the callers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.callers import Callers
from tests.e2e.git_server import PORT, GitServer
from tests.e2e.kube import Kube
from tests.e2e.scenario import DEMO, ROOT, SERVICE, Environment, build_image, demo_packages, model_image

HOST = f"{SERVICE}.canario.local"
_CALLERS = "callers"


@pytest.fixture(scope="session", autouse=True)
def cluster() -> None:
    """A cluster is named, and is not just whatever kubectl was used with last."""
    assert os.environ.get("KUBECONFIG"), "KUBECONFIG names no cluster; set it to one that these tests may use"


@pytest.fixture(scope="session")
def repository(cluster: None) -> Iterator[GitServer]:
    """The environment repository, in which each release is a commit."""
    with GitServer(Kube("environment"), build_image("--component", "judge")) as server:
        yield server


@pytest.fixture(scope="session")
def platform(repository: GitServer) -> Iterator[None]:
    """The controllers, the namespaces and the judge, which reverts in the repository as long as it is there."""
    _install_platform("--set", f"environment.url={repository.url}", "--set", f"environment.port={PORT}")
    judges = Kube("canario")  # their image's tag stays while it is worked on
    judges.run("rollout", "restart", "deployment/judge")
    judges.run("rollout", "status", "deployment/judge", "--timeout=120s")
    yield
    _install_platform()


def _install_platform(*settings: str) -> None:
    command = [sys.executable, "-m", "k8s.platform", "--env", "local", *settings]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def packages() -> dict[str, str]:
    """The demo's packages by version."""
    return demo_packages()


@pytest.fixture(scope="session")
def models(platform: None) -> Iterator[Kube]:
    """The namespace in which services run; what these tests brought is gone afterwards."""
    kube = Kube("models")
    assert kube.get("deployment", SERVICE) is None, f"{SERVICE} runs in {kube.namespace} already; uninstall it first"
    yield kube
    subprocess.run(["helm", "uninstall", SERVICE, "--namespace", kube.namespace, "--ignore-not-found"], check=True)


@pytest.fixture(scope="session")
def environment(
    models: Kube, repository: GitServer, packages: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """Where releases of the demo's packages are written down, their images on the cluster."""
    images = {package: model_image(package) for package in packages.values()}
    return Environment(tmp_path_factory.mktemp("environment"), models.namespace, images, repository)


@pytest.fixture(scope="session")
def load_image(cluster: None) -> str:
    """What callers run."""
    return build_image("--component", "load")


@pytest.fixture
def callers(models: Kube, load_image: str) -> Iterator[Callers]:
    """Traffic from inside the cluster, as long as a test lasts."""
    kube = Kube(_CALLERS)
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _CALLERS}})
    rows = DEMO / "data" / "live.parquet"
    with Callers(kube, HOST, DEMO / "service.yaml", rows, load_image) as running:
        yield running
