"""The train step in a pod of a namespace of its own, and the workers that it starts."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec
from sklearn.metrics import roc_auc_score

from components.jobs.worker_pod import SETTING
from components.models.trained import FIT, Fit, Trained, graph_runner
from components.models.training import TrainedModel
from components.models.trials import Search, Trial
from components.package.model_package import MODEL
from components.spec.contract import Spec
from components.spec.reading.loading import load_spec
from components.table.cells import read_table, table_bytes
from components.table.examples import examples_of
from components.table.holdout import Sides, split_examples
from components.table.wording import reading_of
from k8s.training.rights import rights
from tests.e2e.kube import CONTAINER_SECURITY, Kube
from tests.e2e.scenario import ROOT, build_image
from tests.e2e.store_pod import KEY, POD_SECURITY, store_objects
from tests.patience import patient

#: The best trial that the step is given.
PARAMETERS = {"units": (16,), "learning_rate": 0.005, "dropout": 0.1}
#: So often the table is repeated for workers that are to be caught at work.
MANY = 60
#: The longest that a training may take.
SECONDS = 240
#: What each worker asks for, and may use.
WORKER = {"requests": {"cpu": "250m", "memory": "700Mi"}, "limits": {"memory": "3Gi"}}
_SERVICE = ROOT / "services" / "churn" / "service.yaml"


@dataclass(frozen=True)
class Ground:
    """A namespace that allows restricted pods only, with a store, the step's inputs, and an account with its rights."""

    kube: Kube
    image: str
    sides: Sides
    spec: Spec
    #: What a cluster needs beside, such as a volume; by fields of the pod and of the container.
    pod: dict[str, Any] = field(default_factory=dict)
    container: dict[str, Any] = field(default_factory=dict)

    def start(
        self, name: str, times: int = 1, account: str = "runner", inputs: str = "inputs", queue: str = ""
    ) -> Step:
        """Starts the step as a Job whose pod is tried again when it is killed."""
        env = {"STORE": f"s3://canario/{name}", "TIMES": str(times), "AWS_ENDPOINT_URL_S3": "http://store:9000"}
        env["PYTHONPATH"] = "/app/src"  # as KFP's own command has it, which starts in that folder
        env[SETTING] = json.dumps({"resources": WORKER, "queue": queue})
        own = {"name": "KFP_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
        given = self.container
        container = {
            **given,
            "name": "main",
            "image": self.image,
            "command": ["python", "/inputs/train_step.py"],
            "workingDir": "/app/src",
            "env": [own, *({"name": key, "value": value} for key, value in env.items()), *given.get("env", [])],
            "envFrom": [{"secretRef": {"name": "store"}}],
            "resources": {"requests": {"cpu": "100m", "memory": "300Mi"}, "limits": {"memory": "2Gi"}},
            "terminationMessagePolicy": "File",
            "securityContext": CONTAINER_SECURITY,
            "volumeMounts": [{"name": "inputs", "mountPath": "/inputs"}, *given.get("volumeMounts", [])],
        }
        pod = {
            "restartPolicy": "Never",
            "serviceAccountName": account,
            "securityContext": POD_SECURITY,
            "containers": [container],
            "volumes": [{"name": "inputs", "configMap": {"name": inputs}}, *self.pod.get("volumes", [])],
        }
        failed = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1, 2]}}
        spec = {"backoffLimit": 3, "podFailurePolicy": {"rules": [failed]}, "template": {"spec": pod}}
        self.kube.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec})
        return Step(self, name)

    def config(self, name: str, parameters: dict[str, Any]) -> None:
        """Keeps the step's inputs, with the parameters of the best trial."""
        trial = Trial(number=0, candidate="keras_mlp", parameters=parameters, scores=(0.5,), seconds=0.0)
        search = Search(metric="roc_auc", rows=1, planned=1, trials=(trial,))
        files = {
            "spec.json": self.spec.model_dump_json().encode(),
            "train.parquet": table_bytes(self.sides.train.frame),
            "trials.json": search.model_dump_json().encode(),
            "train_step.py": Path(__file__).with_name("train_step.py").read_bytes(),
        }
        data = {file: base64.b64encode(content).decode() for file, content in files.items()}
        document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "binaryData": data}
        self.kube.run("create", "-f", "-", stdin=json.dumps(document))


@dataclass(frozen=True)
class Step:
    """A step that was started, and its workers."""

    ground: Ground
    name: str

    @property
    def kube(self) -> Kube:
        """The namespace."""
        return self.ground.kube

    def pods(self) -> list[Any]:
        """The step's own pods."""
        return list(self.kube.get("pods", "-l", f"job-name={self.name}") or [])

    def tries_after(self, name: str) -> list[str]:
        """The step's pods but for one."""
        return [pod["metadata"]["name"] for pod in self.pods() if pod["metadata"]["name"] != name]

    def job(self) -> Any:
        """The workers' Job; None without one."""
        found = self.kube.get("jobs", "-l", "app.kubernetes.io/name=training")
        ours = [job for job in found or [] if job["metadata"]["name"].startswith(f"{self.name}-train-")]
        return ours[0] if ours else None

    def worker(self, index: int) -> str:
        """The pod of a worker that has begun to train, which the first checkpoint shows."""
        self.kube.wait("a checkpoint", self.has_checkpoint, patient(SECONDS))
        selector = f"batch.kubernetes.io/job-completion-index={index},app.kubernetes.io/name=training"
        running = ("pods", "-l", selector, "--field-selector", "status.phase=Running")
        return str(self.kube.wait("a worker", lambda: self.kube.get(*running), 60)[0]["metadata"]["name"])

    def has_checkpoint(self) -> bool:
        """Whether an epoch is done."""
        found = f"find /data/buckets/canario/{self.name}/trainings -name checkpoint.npz -size +0 2>/dev/null || true"
        return "checkpoint" in self.kube.run("exec", "store", "--", "sh", "-c", found)

    def ended(self, condition: str) -> str:
        """What the step's pods said, after its Job came to a condition."""
        self.kube.wait(f"{self.name} is {condition}", lambda: self._is(condition), patient(SECONDS))
        return self.said()

    def said(self) -> str:
        """What the step's pods have said so far."""
        begun = [pod["metadata"]["name"] for pod in self.pods() if pod["status"].get("phase") != "Pending"]
        return "\n".join(self.kube.run("logs", name) for name in begun)

    def says(self, line: str) -> None:
        """Waits until the step has said something."""
        self.kube.wait(f"{self.name} says {line!r}", lambda: line in self.said(), patient(SECONDS))

    def _is(self, condition: str) -> bool:
        conditions = self.kube.get("job", self.name)["status"].get("conditions", ())
        kinds = {each["type"] for each in conditions if each["status"] == "True"}
        wrong = {"Complete": "Failed", "Failed": "Complete"}[condition]
        assert wrong not in kinds, f"{self.name} is {wrong}"
        return condition in kinds

    def measured(self, said: str) -> tuple[Fit, float]:
        """The record of the model that the step named, and its ROC AUC on the hold-out."""
        names = json.loads(said.strip().splitlines()[-1])
        with self.kube.forwarded("pod/store", 9000) as port:
            address, (key, secret) = f"http://127.0.0.1:{port}", KEY.values()
            files = fsspec.filesystem("s3", key=key, secret=secret, endpoint_url=address, skip_instance_cache=True)
            model, fit = (
                files.cat_file(f"canario/{self.name}/objects/{names[name].removeprefix('sha256:')}")
                for name in (MODEL, FIT)
            )
        return measured(TrainedModel(model, Fit.model_validate_json(fit)), self.ground.sides)

    def left(self) -> list[str]:
        """What the workers left in the namespace, but for pods that are just being stopped."""
        kinds = "jobs,services,networkpolicies"
        found = self.kube.run("get", kinds, "-l", "app.kubernetes.io/name=training", "-o", "name").split()
        return [name for name in found if f"/{self.name}-train-" in name]

    def leaves_nothing(self) -> None:
        """Waits until nothing of the workers is left, in the namespace or in the store."""
        self.kube.wait("nothing is left", lambda: not self.left(), 60)
        assert not self.has_checkpoint()


def measured(made: TrainedModel, sides: Sides) -> tuple[Fit, float]:
    """A model's record, and its ROC AUC on the hold-out."""
    trained = Trained(made.fit.encoding, graph_runner(made.model))
    return made.fit, float(roc_auc_score(sides.holdout.labels, trained.score(sides.holdout.columns)))


@contextmanager
def ground_in(namespace: str, image: str) -> Iterator[Ground]:
    """A new namespace for the steps, which is gone afterwards."""
    kube = Kube(namespace)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
    try:
        yield made_ground(kube, image, build_image("stores"))
    finally:
        kube.run("delete", "namespace", namespace)


def made_ground(kube: Kube, image: str, stores: str) -> Ground:
    """The store, the accounts and the inputs in a namespace."""
    kube.apply(
        *({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}} for name in ("runner", "nobody")),
        *rights(kube.namespace, "runner"),
        *store_objects(stores),
    )
    spec = load_spec(_SERVICE)
    training = {"candidates": ["keras_mlp"], "workers": 2, "timeout_minutes": 15}
    asked = Spec.model_validate(spec.model_dump() | {"training": spec.training.model_dump() | training})
    ground = Ground(
        kube, image, split_examples(examples_of(read_table(spec.data.uri, reading_of(spec)), spec), spec), asked
    )
    ground.config("inputs", PARAMETERS)
    ground.config("wrong", {**PARAMETERS, "dropout": 7.0})
    kube.run("wait", "pod/store", "--for=condition=Ready", "--timeout=300s")
    return ground
