"""From a table and an empty store to a promoted canary: Kubeflow's graph, registry, Git, Flux, Flagger and judge.

Nobody brings anything between the steps: the pipeline writes the model's image to the registry and the release to
Git, Flux follows Git, the nodes pull the image, and the judge decides.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.image.image_name import ImageName
from components.image.image_signature import is_signed
from components.image.place import read_documents
from components.image.repository import open_repository
from components.models.usage import LATE_STEPS
from components.registry.model_registry import champion, connect
from components.registry.step_usage import late_usage
from components.releases.release_file import Image
from k8s.platform.installing import bring_controllers
from k8s.platform.tracking import local_secret
from k8s.release.service_status import ServiceStatus, status_in_cluster
from pipelines.kubeflow import RunGraph
from pipelines.submission import add_options, check_options, prepare
from tests.e2e import store_pod
from tests.e2e.callers import Callers
from tests.e2e.git_server import GitServer
from tests.e2e.gitops import ROLLOUT, GitOps, environments
from tests.e2e.kube import Kube
from tests.e2e.launcher import Launcher
from tests.e2e.observed import phase
from tests.e2e.scenario import DEMO, REGISTRY, ROOT, SERVICE, build_image, image_name
from tests.patience import patient
from tests.signing_keys import Keys

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]

_ENVIRONMENT = "staging"
#: Where the steps run.
STEPS = "e2e-pipeline"
NAMESPACES = (STEPS, f"gitops-{_ENVIRONMENT}")
_TABLE = ROOT / "services" / SERVICE / "telco_churn.csv"
#: Rows of the first table; the second has all of them.
_FIRST_ROWS = 6000
_SECONDS = 300.0


@dataclass(frozen=True)
class Kubeflow:
    """What a person has who submits: a namespace with secrets, a store, an image of the steps, an environment."""

    steps: Kube
    image: str
    gitops: GitOps
    spec: Path

    def submit(self, name: str, table: Path) -> dict[str, dict[str, Any]]:
        """Runs the graph that `make submit` would send; what each step told."""
        return Launcher(self.steps, self._graph(table), name).run_all()

    def _graph(self, table: Path) -> RunGraph:
        parser = argparse.ArgumentParser()
        parser.add_argument("--name", default="")
        add_options(parser)
        places = {
            "--spec": str(self.spec),
            "--host": "http://kubeflow.invalid",
            "--data": str(table),
            "--image": self.image,
            "--store": f"{store_pod.ADDRESS}/store",
            "--store-endpoint": f"http://{store_pod.NAME}:{store_pod.PORT}",
            "--root": f"{store_pod.ADDRESS}/kubeflow",
            "--mlflow": f"http://mlflow.{self.gitops.kube(_ENVIRONMENT).namespace}",
            "--images": REGISTRY,
            "--environment": self.gitops.server.url,
            "--env": _ENVIRONMENT,
        }
        secrets = ["--secret", f"store={store_pod.NAME}", "--secret", "signing=signing"]
        options = parser.parse_args([*(word for pair in places.items() for word in pair), *secrets])
        return prepare(check_options(options), options, print).graph


@pytest.fixture(scope="module")
def gitops(programs: dict[str, Image], server_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitOps]:
    """An environment that Flux follows, with MLflow and no release yet."""
    for program in ("mlflow", "stores"):
        build_image(program)
    bring_controllers("local", ["flux"], print)
    mlflow = {"enabled": True, "workers": 1, "resources": {"cpu": "50m", "memory": "512Mi"}, "callers": [STEPS]}
    judge, root = programs["judge"], tmp_path_factory.mktemp("gitops")
    with (
        GitServer(Kube("gitops"), image_name(judge)) as server,
        environments(root, judge, {}, server, platform={"mlflow": mlflow, "stores": {"enabled": True}}) as made,
    ):
        made.begin(_ENVIRONMENT)
        kube = made.kube(_ENVIRONMENT)
        kube.wait("its namespace", lambda: Kube("default").get("namespace", kube.namespace), _SECONDS)
        kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mlflow"}, "stringData": local_secret()})
        kube.wait("MLflow", partial(_is_ready, kube, "mlflow"), patient(_SECONDS))
        yield made


@pytest.fixture(scope="module")
def kubeflow(
    gitops: GitOps, steps_image: str, keys: Keys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubeflow]:
    """A namespace for restricted pods, with an empty store, and the store reached from here."""
    kube = Kube(STEPS)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": STEPS, "labels": labels}})
    signing = {"key.pem": keys.private.read_text(encoding="utf-8")}
    kube.apply(
        *store_pod.store_objects(build_image("stores")),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "signing"}, "stringData": signing},
    )
    kube.run("wait", f"pod/{store_pod.NAME}", "--for=condition=Ready", "--timeout=300s")
    spec = _write_spec(tmp_path_factory.mktemp("spec") / "service.yaml")
    with kube.forwarded(f"pod/{store_pod.NAME}", store_pod.PORT) as port, pytest.MonkeyPatch.context() as patch:
        for name, value in {**store_pod.KEY, "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}"}.items():
            patch.setenv(name, value)
        yield Kubeflow(kube, steps_image, gitops, spec)
    kube.run("delete", "namespace", STEPS)


def _write_spec(path: Path) -> Path:
    """Churn's spec, quick to train and to judge; the environment's own tree is judged alike."""
    document = yaml.safe_load((ROOT / "services" / SERVICE / "service.yaml").read_text(encoding="utf-8"))
    document["training"] |= {"candidates": ["logistic_regression"], "trials": 1, "folds": 2}
    document["gates"]["roc_auc"] = {"min": 0.75}
    document["rollout"] |= ROLLOUT
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def _is_ready(kube: Kube, name: str) -> bool:
    return bool((kube.get("deployment", name) or {}).get("status", {}).get("readyReplicas"))


@pytest.fixture
def callers(gitops: GitOps, load_image: str) -> Iterator[Callers]:
    """Traffic to the environment through the gateway; a `with` starts it."""
    kube = Kube("gitops-callers")
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kube.namespace}})
    rows = DEMO / "data" / "live.parquet"
    yield Callers(kube, f"http://{gitops.host(_ENVIRONMENT)}", DEMO / "service.yaml", rows, load_image)
    kube.run("delete", "namespace", kube.namespace)


def stored(kubeflow: Kubeflow) -> str:
    """The files in the store."""
    return kubeflow.steps.run("exec", store_pod.NAME, "--", "find", "/data/buckets/canario", "-type", "f")


def check_image(told: dict[str, Any], server_image: str, public: str) -> ImageName:
    """The image of a run is in the registry, is signed, and is the server's with one more layer."""
    assert told["repository"] == f"{REGISTRY}/{SERVICE}"
    name = ImageName.parse(f"{told['repository']}@{told['digest']}")
    layers = read_documents(open_repository(name), name.digest, str(name)).layers
    server = ImageName.parse(server_image)
    below = read_documents(open_repository(server), server.tag, server_image).layers
    assert [one["digest"] for one in layers[:-1]] == [one["digest"] for one in below]
    assert is_signed(name, public)
    return name


def check_commit(gitops: GitOps, told: dict[str, dict[str, Any]]) -> None:
    """The newest commit of the environment is the run's release."""
    version, digest = told["register"]["version"], told["image"]["digest"]
    newest = gitops.server.history()[-1][0]
    assert newest.id == told["release"]["Output"]
    assert newest.message.startswith(f"{SERVICE}: release version {version} to {_ENVIRONMENT}\n")
    with gitops.server.reached() as (repository, url):
        repository.fetch(url)
        release = yaml.safe_load(repository.read(f"k8s/envs/{_ENVIRONMENT}/{SERVICE}.yaml") or "")
    assert (release["version"], release["image"]["digest"]) == (version, digest)


def running(kube: Kube) -> set[str]:
    """The images of the champion's pods."""
    pods = kube.get("pods", "--selector", f"app={SERVICE}-primary")
    return {one["image"] for pod in pods for one in pod["spec"]["containers"]}


def test_from_an_empty_store_to_a_promoted_canary(
    kubeflow: Kubeflow, server_image: str, keys: Keys, callers: Callers, tmp_path: Path
) -> None:
    gitops = kubeflow.gitops
    kube = gitops.kube(_ENVIRONMENT)
    assert stored(kubeflow) == ""
    first = tmp_path / "first.csv"
    with _TABLE.open(encoding="utf-8") as table:
        first.write_text(
            "".join(line for _, line in zip(range(1 + _FIRST_ROWS), table, strict=False)), encoding="utf-8"
        )

    told = kubeflow.submit("first", first)
    assert told["register"]["version"] == "1"
    image = check_image(told["image"], server_image, keys.public)
    check_commit(gitops, told)
    kube.wait("version 1 serves", lambda: phase(kube) == "Initialized", patient(_SECONDS))
    assert running(kube) == {image.at(image.digest)}

    told = kubeflow.submit("second", _TABLE)
    assert told["register"]["version"] == "2"
    with callers:
        check_commit(gitops, told)
        package = told["register"]["package"]
        passed = ServiceStatus("2", package, passed=True, under_way=False)
        stands = lambda: status_in_cluster(SERVICE, kube.namespace) == passed  # noqa: E731
        kube.wait("version 2 is promoted", stands, patient(2 * _SECONDS))
        callers.stop()
    assert {name: count.failed for name, count in callers.requests.items()} == {"1": 0, "2": 0}, callers.faults
    image = check_image(told["image"], server_image, keys.public)
    assert running(kube) == {image.at(image.digest)}
    with kube.forwarded("service/mlflow", 80) as port:
        uri = f"http://localhost:{port}"
        run = connect(uri).get_run(told["register"]["run_id"])
        assert set(late_usage(run.data.metrics)) == set(LATE_STEPS)
        serving = partial(champion, uri, SERVICE)
        kube.wait("MLflow's champion", lambda: (found := serving()) and found.version == "2", patient(60))
