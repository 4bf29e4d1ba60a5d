"""The train step as a Job: by two workers as well as by one, failing soon, and on an accelerator only if it is there.

The node of the pool `gpu` may offer a GPU that no device is behind, as a test cluster's does. A pod there asks
NVIDIA's driver, and what it says decides what must happen: either the device computes, or the step fails and says why.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
import yaml
from sklearn.metrics import roc_auc_score

from components.models.trained import Fit, load_trained
from components.models.trials import Search, Trial
from components.spec.reading.loading import load_spec
from components.table.cells import read_table, table_bytes
from components.table.examples import examples_of
from components.table.holdout import Sides, split_examples
from tests.e2e.kube import Kube
from tests.e2e.scenario import ROOT, build_image

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

_SERVICE = ROOT / "services" / "churn" / "service.yaml"
_PARAMETERS = {"units": (16,), "learning_rate": 0.005, "dropout": 0.1}
#: Two workers see each row as often as one does, in other batches: as far apart as two seeds may be.
_TOLERANCE = 0.01
_JOB_SECONDS = 240
#: Asks NVIDIA's driver itself, so that the expectation does not rest on what is tested.
_PROBE = """
import pynvml
try:
    pynvml.nvmlInit()
    print(pynvml.nvmlDeviceGetCount())
except pynvml.NVMLError:
    print(0)
"""


@dataclass(frozen=True)
class Ground:
    """A namespace that allows restricted pods only, the image on its nodes, and the inputs in a folder."""

    kube: Kube
    image: str
    folder: Path
    sides: Sides

    def start(
        self, out: str, *options: str, accelerator: str = "cpu", image: str = "", log: IO[str]
    ) -> subprocess.Popen[str]:
        document = yaml.safe_load(_SERVICE.read_text(encoding="utf-8"))
        document["data"]["uri"] = str(_SERVICE.parent / document["data"]["uri"])
        document["training"] |= {"accelerator": accelerator, "timeout_minutes": 4}
        spec = self.folder / f"{out}.yaml"
        spec.write_text(yaml.safe_dump(document), encoding="utf-8")
        files = {"spec": spec.name, "train": "train.parquet", "trials": "trials.json", "out": out}
        given = [word for option, name in files.items() for word in (f"--{option}", str(self.folder / name))]
        command = [sys.executable, "-m", "k8s.training", *given, "--image", image or self.image, *options]
        command += ["--namespace", self.kube.namespace]
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, text=True)

    def run(self, out: str, *options: str, accelerator: str = "cpu", image: str = "", ends_with: int = 0) -> str:
        """What the command said; it must have ended with this exit status."""
        with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
            status = self.start(out, *options, accelerator=accelerator, image=image, log=log).wait(_JOB_SECONDS)
            log.seek(0)
            said = log.read()
        assert status == ends_with, said
        return said

    def gpus(self) -> int:
        """The GPUs that NVIDIA's driver shows to a pod on the pool of the accelerator; 0 where it does not answer."""
        container = {
            "name": "probe",
            "image": self.image,
            "command": ["python", "-c", _PROBE],
            "resources": {"limits": {"nvidia.com/gpu": "1", "memory": "256Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        spec = {
            "restartPolicy": "Never",
            "nodeSelector": {"node.kubernetes.io/pool": "gpu"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1034,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        }
        self.kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": spec})
        done = ("pods", "--field-selector", "metadata.name=probe,status.phase=Succeeded")
        self.kube.wait("a pod that asks the driver for GPUs", lambda: self.kube.get(*done), 90)
        said = self.kube.run("logs", "probe")
        self.kube.run("delete", "pod", "probe")
        return int(said)

    def measured(self, out: str) -> tuple[Fit, float]:
        """How the model that came back was made, and its ROC AUC on the hold-out."""
        trained, fit = load_trained(self.folder / out)
        return fit, float(roc_auc_score(self.sides.holdout.labels, trained.score(self.sides.holdout.columns)))

    def left(self) -> list[str]:
        """What a training left in the namespace."""
        kinds = "jobs,pods,services,configmaps,networkpolicies"
        return self.kube.run("get", kinds, "--selector", "app.kubernetes.io/name=training", "-o", "name").split()


@pytest.fixture(scope="module")
def ground(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    kube, folder = Kube("e2e-training"), tmp_path_factory.mktemp("training")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kube.namespace, "labels": labels}})
    spec = load_spec(_SERVICE)
    sides = split_examples(examples_of(read_table(spec.data.uri), spec), spec)
    trial = Trial(number=0, candidate="keras_mlp", parameters=_PARAMETERS, scores=(0.5,), seconds=0.0)
    search = Search(metric="roc_auc", rows=len(sides.train), planned=1, trials=(trial,))
    (folder / "train.parquet").write_bytes(table_bytes(sides.train.frame))
    (folder / "trials.json").write_text(search.model_dump_json(), encoding="utf-8")
    yield Ground(kube, build_image("--component", "components"), folder, sides)
    kube.run("delete", "namespace", kube.namespace)


@pytest.fixture(scope="module")
def single(ground: Ground) -> float:
    """The ROC AUC of the model of one worker on the CPU."""
    ground.run("one")
    fit, auc = ground.measured("one")
    assert (fit.candidate, fit.rows) == ("keras_mlp", len(ground.sides.train))
    assert fit.usage is not None
    assert (fit.usage.asked, fit.usage.used) == ("cpu", "cpu")
    assert fit.usage.memory_peak_mib > 0
    return auc


def test_a_model_comes_back_from_a_job(ground: Ground, single: float) -> None:
    assert single >= 0.8
    assert ground.left() == []


def test_an_accelerator_computes_or_its_lack_is_said(ground: Ground, single: float) -> None:
    """A device on the pool of the accelerator computes; a step that is promised one and sees none fails and says so."""
    pool = {node["metadata"]["name"] for node in ground.kube.get("nodes", "-l", "node.kubernetes.io/pool=gpu")}
    if ground.gpus():
        image = build_image("--component", "components-cuda")
        said = ground.run("gpu", "--pool", "gpu", accelerator="gpu", image=image)
        fit, auc = ground.measured("gpu")
        assert fit.usage is not None
        assert len(fit.usage.devices.names) == 1
        assert fit.usage.devices.busy_max
        assert fit.usage.devices.memory_peak_mib
        assert auc == pytest.approx(single, abs=_TOLERANCE)
    else:
        said = ground.run("gpu", "--pool", "gpu", accelerator="gpu", ends_with=1)
        assert "training.accelerator: gpu x 1 was promised to this step, and TensorFlow sees 0 here" in said
        assert not (ground.folder / "gpu").exists()
    assert any(f" on {node}" in said for node in pool), said
    assert ground.left() == []


def test_two_workers_make_as_good_a_model_as_one(ground: Ground, single: float) -> None:
    said = ground.run("two", "--workers", "2")
    assert "worker 0 of 2" in said
    assert "worker 1 of 2" in said
    fit, auc = ground.measured("two")
    assert fit.strategy == "multi_worker_mirrored"
    assert auc == pytest.approx(single, abs=_TOLERANCE)
    assert ground.left() == []


def test_a_worker_that_dies_fails_the_job_soon(ground: Ground) -> None:
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        training = ground.start("none", "--workers", "2", log=log)
        second = "batch.kubernetes.io/job-completion-index=1"
        running = ("pods", "--selector", second, "--field-selector", "status.phase=Running")
        pods = ground.kube.wait("a second worker that runs", lambda: ground.kube.get(*running), 90)
        ground.kube.run("delete", "pod", pods[0]["metadata"]["name"], "--grace-period=0", "--force")
        assert training.wait(45) == 1
        log.seek(0)
        assert "not trained: job" in log.read()
    assert not (ground.folder / "none").exists()
    assert ground.left() == []
