from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from components.errors import SpecError
from components.models.strategy import choose_strategy
from components.spec.contract import Strategy
from tests.components.free_ports import free_ports
from tests.patience import patient


def cluster(**roles: list[str]) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": roles, "task": {"type": "worker", "index": 0}})}


@pytest.mark.parametrize(
    ("accelerator", "gpus", "environ", "chosen"),
    [
        ("cpu", 0, {}, "none"),
        ("gpu", 1, {}, "none"),
        ("gpu", 2, {}, "mirrored"),
        ("tpu", 0, {}, "tpu"),
        ("gpu", 2, cluster(worker=["a:1", "b:1"]), "multi_worker_mirrored"),
        ("cpu", 0, cluster(worker=["a:1"]), "none"),
    ],
)
def test_auto_takes_what_the_machine_calls_for(
    accelerator: str, gpus: int, environ: dict[str, str], chosen: Strategy
) -> None:
    assert choose_strategy("auto", accelerator, gpus, environ) == chosen


def test_what_the_spec_names_is_taken() -> None:
    assert choose_strategy("central_storage", "gpu", 2, {}) == "central_storage"
    assert choose_strategy("none", "tpu", 0, {}) == "none"


def test_several_workers_are_refused_without_a_cluster() -> None:
    with pytest.raises(SpecError, match=r"needs TF_CONFIG with a 'worker' list.* write training.workers: 2"):
        choose_strategy("multi_worker_mirrored", "cpu", 0, {})


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_a_tf_config_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="TF_CONFIG is not a JSON object"):
        choose_strategy("auto", "cpu", 0, {"TF_CONFIG": text})


FIT = """
import numpy as np
from components.models.keras_mlp import fit_mlp
rows = np.random.default_rng(0).normal(size=(256, 3)).astype(np.float32)
model = fit_mlp("binary", {"units": (4,), "learning_rate": 0.01, "dropout": 0.0}, rows, rows[:, 0] > 0, 1, "STRATEGY")
print("mean", float(model.predict(rows).mean()))
"""


def fit_in_process(strategy: str, **environ: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FIT.replace("STRATEGY", strategy)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["mirrored", "central_storage"])
def test_a_strategy_for_one_machine_trains_on_the_cpu(strategy: str) -> None:
    out, err = fit_in_process(strategy).communicate(timeout=patient(110))
    assert "mean 0." in out, err[-2000:]


@pytest.mark.slow
def test_two_workers_train_one_network() -> None:
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    configs = [
        json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}) for index in range(2)
    ]
    running = [fit_in_process("multi_worker_mirrored", TF_CONFIG=config) for config in configs]
    try:
        ended = [process.communicate(timeout=patient(110)) for process in running]
    finally:
        for process in running:
            process.kill()
    means = [out.strip().splitlines()[-1] for out, _ in ended if "mean 0." in out]
    assert len(means) == 2, ended[0][1][-2000:]
    assert means[0] == means[1]
