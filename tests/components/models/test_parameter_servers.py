"""Training on parameter servers, by real tasks on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import SpecError
from components.models.parameter_servers import Task, task_of, wait_for_chief
from components.table.cells import table_bytes
from tests.components.free_ports import free_ports
from tests.components.small_table import small_examples, small_spec
from tests.patience import patient

TRAIN = """
import sys
from pathlib import Path
from components.spec.contract import Spec
from components.table.examples import load_examples
from components.evaluation.metrics import roc_auc
from components.models.trained import Trained, graph_runner
from components.models.training import train_candidate
from components.models.trials import Trial
spec = Spec.model_validate_json(Path(sys.argv[1], "spec.json").read_bytes())
rows = load_examples(Path(sys.argv[1], "train.parquet"), spec)
parameters = {"units": (8,), "learning_rate": 0.01, "dropout": 0.0}
trial = Trial(number=0, candidate="keras_mlp", parameters=parameters, scores=(0.5,), seconds=1.0)
made = train_candidate(rows, spec, trial)
scores = Trained(made.fit.encoding, graph_runner(made.model)).score(rows.columns)
print(f"{made.fit.strategy}, better than a guess: {roc_auc(rows.labels, scores) > 0.6}")
"""


def save_table(folder: Path) -> None:
    (folder / "spec.json").write_text(small_spec().model_dump_json())
    (folder / "train.parquet").write_bytes(table_bytes(small_examples(400).frame))


def test_a_task_knows_its_place_and_its_chief() -> None:
    environ = {"TF_CONFIG": json.dumps({"cluster": {"chief": ["c:7"]}, "task": {"type": "ps", "index": 2}})}
    assert task_of(environ) == Task("ps", 2, ("c", 7))
    assert [Task(role, 0, ("c", 7)).serves for role in ("chief", "worker", "ps")] == [False, True, True]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"TF_CONFIG": "{}"},
        {"TF_CONFIG": json.dumps({"cluster": {"chief": []}})},
        {"TF_CONFIG": json.dumps({"cluster": {"chief": ["no port"]}, "task": {"type": "ps"}})},
    ],
)
def test_a_task_that_does_not_know_its_place_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(SpecError, match="needs TF_CONFIG with this process's task"):
        task_of(environ)


def test_a_task_whose_chief_does_not_come_fails() -> None:
    (port,) = free_ports(1)
    with pytest.raises(SpecError, match=f"worker 1: no chief came to 127.0.0.1:{port} in 0 s"):
        wait_for_chief(Task("worker", 1, ("127.0.0.1", port)), 0)


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_a_chief_trains_on_parameter_servers_and_ends_the_others(tmp_path: Path) -> None:
    """A chief trains on parameter servers, and the other tasks end with it.

    Each task runs the train step itself, as a training operator starts it.
    """
    save_table(tmp_path)
    addresses = [f"127.0.0.1:{port}" for port in free_ports(4)]
    roles = {"chief": addresses[:1], "worker": addresses[1:3], "ps": addresses[3:]}
    tasks = [("ps", 0), ("worker", 0), ("worker", 1), ("chief", 0)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", TRAIN, str(tmp_path)],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CONFIG": json.dumps({"cluster": roles, "task": task})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for task in ({"type": role, "index": index} for role, index in tasks)
    ]
    try:
        *others, (out, err) = [process.communicate(timeout=patient(250)) for process in running]
    finally:
        for process in running:
            process.kill()
    assert "parameter_server, better than a guess: True" in out, err[-2000:]
    assert [process.returncode for process in running] == [0, 0, 0, 0]
    for (role, index), (said, _) in zip(tasks, others, strict=False):
        assert f"{role} {index} served the chief" in said
