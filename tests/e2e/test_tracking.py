"""MLflow on a cluster: what training registers is in PostgreSQL and the object store, and outlives MLflow's pod."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from components.digest import sha256
from components.evaluation.explanation import draw_figures, explain_model
from components.models.trials import Search, Trial
from components.package.model_package import Package, read_package
from components.register import DataOrigin, register_package
from components.registry.model_registry import Registered, champion, connect, local_package, promote
from components.registry.tracking import RunRecord
from tests.components.small_table import small_spec
from tests.components.trained_small import evaluated, packaged, small_model, small_sides, trained
from tests.e2e.kube import Kube
from tests.e2e.scenario import ROOT, WITHOUT_TRACKING, build_image

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Server:
    """MLflow in the cluster, as a person reaches it from outside."""

    kube: Kube

    @contextlib.contextmanager
    def reached(self) -> Iterator[str]:
        """Its URI, as long as a `with` lasts."""
        with self.kube.forwarded("service/mlflow", 80) as port:
            yield f"http://localhost:{port}"

    def pod(self) -> str:
        """The name of its pod that is ready."""
        return self.kube.wait("MLflow's pod", self._ready, 600)

    def _ready(self) -> str | None:
        pods = self.kube.get("pods", "--selector", "app.kubernetes.io/name=mlflow")
        for pod in pods:
            ready = [one["status"] for one in pod["status"].get("conditions", ()) if one["type"] == "Ready"]
            if ready == ["True"] and "deletionTimestamp" not in pod["metadata"]:
                return str(pod["metadata"]["name"])
        return None

    def in_store(self, store: str, *command: str) -> str:
        """What a command in a store's pod says."""
        return self.kube.run("exec", f"{store}-0", "--container", store, "--", *command)

    def row(self, query: str) -> list[str]:
        """The one row that PostgreSQL answers, asked as MLflow asks: by its password."""
        uri = "postgresql://mlflow@127.0.0.1/mlflow"
        secret = json.dumps(self.kube.get("secret", "mlflow")["data"]["PGPASSWORD"])
        script = f'PGPASSWORD=$(echo {secret} | base64 -d) exec /usr/lib/postgresql/*/bin/psql "{uri}" -Atc "$1"'
        (line,) = self.in_store("postgresql", "bash", "-c", script, "psql", query).splitlines()
        return line.split("|")


def install(*options: str) -> str:
    """What `make platform` says."""
    command = [sys.executable, "-m", "k8s.platform", "--env", "local", "--timeout-seconds", "600", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def server(cluster: None) -> Iterator[Server]:
    for program in ("judge", "mlflow", "stores"):
        build_image(program)
    kube = Kube("canario")
    try:
        said = install()
        assert "secret mlflow: was made" in said or "secret mlflow: is there" in said
        yield Server(kube)
    finally:
        install(*WITHOUT_TRACKING)
        kube.run("delete", "secret", "mlflow", "--ignore-not-found")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return packaged(tmp_path_factory.mktemp("package") / "package", small_model())


@pytest.fixture(scope="module")
def registered(server: Server, package: Package, tmp_path_factory: pytest.TempPathFactory) -> Registered:
    """A champion, as the pipeline's last step registers it."""
    figures = tmp_path_factory.mktemp("figures")
    evaluation = evaluated(small_model())
    draw_figures(explain_model(trained(small_model()), small_sides().holdout, small_spec()), evaluation, figures)
    trial = Trial(number=0, candidate="logistic_regression", parameters={"C": 1.0}, scores=(0.7, 0.8), seconds=1.0)
    search = Search(metric="roc_auc", rows=100, planned=1, trials=(trial,))
    record = RunRecord("small", "small-1", evaluation, search, figures)
    with server.reached() as uri:
        version = register_package(uri, record, package.path, DataOrigin("s3://x/y", sha256(b"source"), "all is well"))
        return promote(uri, "small", version.version)


def stored(uri: str) -> tuple[Any, ...]:
    """What a later run finds: the champion, its package, its run's numbers and artifacts."""
    found = champion(uri, "small")
    assert found is not None
    client = connect(uri)
    run = client.get_run(found.run_id)
    names = sorted(one.path for one in client.list_artifacts(found.run_id))
    return found, read_package(local_package(found, uri)).digest, run.info.status, run.data.metrics, names


def test_a_registered_model_outlives_mlflows_pod(server: Server, package: Package, registered: Registered) -> None:
    """A registered model, its run and its files outlive MLflow's pod."""
    with server.reached() as uri:
        before = stored(uri)
    assert before[:3] == (registered, package.digest, "FINISHED")
    assert before[4] == ["evaluation.json", "figures", "package", "validation.md"]
    pod = server.pod()
    server.kube.run("delete", "pod", pod)
    assert server.pod() != pod
    with server.reached() as uri:
        assert stored(uri) == before


def test_the_run_is_in_postgresql(server: Server, registered: Registered) -> None:
    told = server.row(f"SELECT status, name FROM runs WHERE run_uuid = '{registered.run_id}'")
    assert told == ["FINISHED", "small-1"]
    alias = "SELECT name, alias, version FROM registered_model_aliases WHERE alias = 'champion'"
    assert server.row(alias) == ["small", "champion", registered.version]


def test_the_packages_bytes_are_in_the_object_store(server: Server, package: Package, registered: Registered) -> None:
    folder = registered.package_uri.removeprefix("mlflow-artifacts:/")
    said = server.in_store("object-store", "sha256sum", f"/data/buckets/mlflow/{folder}/model.onnx")
    assert said.split()[0] == sha256((package.path / "model.onnx").read_bytes()).removeprefix("sha256:")


def test_the_stores_answer_nobody_without_their_password(server: Server) -> None:
    psql = "/usr/lib/postgresql/*/bin/psql postgresql://mlflow@127.0.0.1/mlflow"
    script = f"PGPASSWORD=wrong {psql} -c 'SELECT 1' 2>&1; [ $? = 2 ]"
    assert "password authentication failed" in server.in_store("postgresql", "bash", "-c", script)
    remote = ":s3,provider=Rclone,endpoint='http://127.0.0.1:9000',access_key_id=mlflow,secret_access_key="
    script = f'! rclone --config= --retries 1 lsd "{remote}$1:" 2>&1'
    said = server.in_store("object-store", "bash", "-c", script, "rclone", "wrong-wrong-wrong")
    assert "SignatureDoesNotMatch" in said


def test_a_second_installation_keeps_the_secret_and_the_pods(server: Server, registered: Registered) -> None:
    before = server.kube.get("secret", "mlflow")["metadata"]["uid"], _pods(server.kube)
    assert "secret mlflow: is there, and is kept" in install()
    assert (server.kube.get("secret", "mlflow")["metadata"]["uid"], _pods(server.kube)) == before


def _pods(kube: Kube) -> set[str]:
    """The pods of MLflow and its stores."""
    selector = "app.kubernetes.io/name in (mlflow, postgresql, object-store)"
    return {pod["metadata"]["uid"] for pod in kube.get("pods", "--selector", selector)}


def test_staging_starts_nothing_that_stands_for_a_clouds(server: Server) -> None:
    command = [sys.executable, "-m", "k8s.platform", "--env", "staging", "--set", "mlflow.enabled=true"]
    command += ["--set", "mlflow.secret=from-outside", "--set", "environment.url="]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "namespace canario has no secret from-outside" in done.stderr
