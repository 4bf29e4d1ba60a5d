"""Which of the workers this is, what TensorFlow is told of the others, and two workers from the store to the model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.code import code_digest
from components.errors import SpecError, TrainingJobError
from components.jobs.inputs import WorkerInputs, checkpoint_file, result_file
from components.jobs.together import train_together
from components.jobs.train_worker import ADDRESSES, LOST, index_of, tf_config
from components.models.trained import kept_model
from components.models.trials import Search, Trial
from components.spec.tasks import Candidate
from components.store.content import Kind, Store
from components.store.reading import keep_document, keep_spec
from components.table.cells import table_bytes
from tests.components.free_ports import free_ports
from tests.components.small_table import small_examples, small_spec
from tests.patience import patient, patient_deadline

PARAMETERS = {"units": (4,), "learning_rate": 0.01, "dropout": 0.1}
SPEC = small_spec(training={"candidates": ["keras_mlp"], "workers": 2})


def test_a_worker_is_named_as_kubernetes_names_its_pod() -> None:
    assert json.loads(tf_config(1, 2, "churn-train", {})) == {
        "cluster": {"worker": ["churn-train-0.churn-train:2222", "churn-train-1.churn-train:2222"]},
        "task": {"type": "worker", "index": 1},
    }


def test_a_worker_without_a_pod_has_the_address_that_it_is_given() -> None:
    config = json.loads(tf_config(0, 2, "n", {ADDRESSES: "127.0.0.1:1,127.0.0.1:2"}))
    assert config["cluster"] == {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}


def test_the_place_is_the_completion_index() -> None:
    assert index_of(2, {"JOB_COMPLETION_INDEX": "1"}) == 1


@pytest.mark.parametrize("environ", [{}, {"JOB_COMPLETION_INDEX": "2"}, {"JOB_COMPLETION_INDEX": "one"}])
def test_a_worker_without_a_place_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(SpecError, match="a number from 0 to 1 is allowed"):
        index_of(2, environ)


def kept(folder: Path, rows: int = 400, candidate: Candidate = "keras_mlp") -> WorkerInputs:
    """The inputs of two workers, in a store in a folder."""
    trial = Trial(number=0, candidate=candidate, parameters=PARAMETERS, scores=(0.5,), seconds=0.0)
    search = Search(metric="roc_auc", rows=1, planned=1, trials=(trial,))
    store = str(folder / "store")
    train = Store(store).put(Kind.OBJECT, table_bytes(small_examples(rows).frame))
    return WorkerInputs(
        store, code_digest(), keep_spec(Store(store), SPEC), train, keep_document(store, search), workers=2
    )


@contextmanager
def worker(inputs: WorkerInputs, index: int, addresses: str) -> Iterator[subprocess.Popen[str]]:
    environ = {ADDRESSES: addresses, "JOB_COMPLETION_INDEX": str(index), "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen(
        [sys.executable, "-m", *inputs.arguments("t")],
        env={**os.environ, **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_a_worker_of_other_code_ends_with_two(tmp_path: Path) -> None:
    inputs = WorkerInputs(str(tmp_path), "sha256:0", "sha256:1", "sha256:2", "sha256:3", 2)
    with worker(inputs, 0, "127.0.0.1:1,127.0.0.1:2") as process:
        assert "the image of this step has code" in process.communicate(timeout=patient(60))[1]
    assert process.returncode == 2


def test_a_worker_that_comes_after_the_model_ends_at_once(tmp_path: Path) -> None:
    inputs = WorkerInputs(str(tmp_path), code_digest(), "sha256:1", "sha256:2", "sha256:3", 2)
    Store(str(tmp_path)).write(result_file("t"), b"{}")
    with worker(inputs, 1, "127.0.0.1:1,127.0.0.1:2") as process:
        assert process.wait(patient(60)) == 0


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_two_workers_of_this_machine_make_a_model(tmp_path: Path) -> None:
    inputs = kept(tmp_path)
    made = train_together(SPEC, inputs)
    assert (made.fit.strategy, made.fit.workers, made.fit.resumed_after) == ("multi_worker_mirrored", 2, 0)
    assert made.fit.rows == 400
    assert not list((tmp_path / "store" / "trainings").iterdir())


@pytest.mark.slow
def test_a_failed_worker_of_this_machine_fails_all(tmp_path: Path) -> None:
    inputs = kept(tmp_path)
    Path(Store(inputs.store).uri(Kind.OBJECT, inputs.train)).unlink()
    with pytest.raises(TrainingJobError, match=r"worker [01] ended with 2"):
        train_together(SPEC, inputs)


@pytest.mark.slow
@pytest.mark.timeout(580)
def test_workers_go_on_to_the_same_model_after_one_died(tmp_path: Path) -> None:
    """After a death both go on from the checkpoint, to the bytes that they would have made without it."""
    inputs = kept(tmp_path)
    store, addresses = Store(inputs.store), ",".join(f"127.0.0.1:{port}" for port in free_ports(2))
    undisturbed = train_together(SPEC, inputs)
    with worker(inputs, 0, addresses) as first, worker(inputs, 1, addresses) as second:
        deadline = patient_deadline(200)
        while store.read(checkpoint_file("t")) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        second.send_signal(signal.SIGKILL)
        assert first.wait(patient(120)) == LOST
    assert store.read(result_file("t")) is None
    with worker(inputs, 0, addresses) as first, worker(inputs, 1, addresses) as second:
        assert [first.wait(patient(200)), second.wait(patient(60))] == [0, 0]
    model, fit = kept_model(store, (store.read(result_file("t")) or b"").decode())
    assert fit.resumed_after >= 1
    assert model == undisturbed.model
