"""The compiled graph against reviewed files.

After a wanted change: CANARIO_WRITE_GOLDEN=1 python -m pytest tests/pipelines/test_compile.py
and read the difference.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.spec.contract import Spec
from pipelines.compile import compile_pipeline, main
from pipelines.pods import PodSettings
from tests.components.small_table import small_spec

#: By default the tag follows every line of the code, and so would the reviewed files.
IMAGE = "registry.local/canario/components:reviewed"
GOLDEN = Path(__file__).parent / "golden"
STEPS = ["ingest", "validate", "split", "tune", "train", "evaluate", "gate"]
STEPS += ["register", "image", "release"]

MACHINES: dict[str, dict[str, Any]] = {
    "cpu": {},
    "gpu": {"accelerator": "gpu", "accelerator_count": 2, "accelerator_type": "nvidia-l4"},
    "tpu": {
        "accelerator": "tpu",
        "accelerator_count": 4,
        "accelerator_type": "tpu-v5-lite-podslice",
        "tpu_topology": "2x2",
    },
}


def spec_on(machine: str) -> Spec:
    return small_spec(training={"candidates": ["logistic_regression", "keras_mlp"], **MACHINES[machine]})


@cache
def documents(machine: str) -> tuple[dict[str, Any], dict[str, Any]]:
    pipeline, platform = yaml.safe_load_all(compile_pipeline(spec_on(machine), IMAGE))
    return pipeline, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


@pytest.mark.parametrize("machine", MACHINES)
def test_the_graph_is_the_reviewed_one(machine: str) -> None:
    path = GOLDEN / f"{machine}.yaml"
    compiled = compile_pipeline(spec_on(machine), IMAGE)
    if os.environ.get("CANARIO_WRITE_GOLDEN"):
        path.write_text(compiled, encoding="utf-8")
    assert compiled == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("machine", MACHINES)
def test_every_step_has_limits_and_retries_and_installs_nothing(machine: str) -> None:
    """Every step has a machine, a timeout and retries, and installs nothing."""
    pipeline, platform = documents(machine)
    tasks = pipeline["root"]["dag"]["tasks"]
    executors = pipeline["deploymentSpec"]["executors"]
    assert sorted(tasks) == sorted(STEPS)
    for step in STEPS:
        container = executors[f"exec-{step}"]["container"]
        trains = machine != "cpu" and step in {"tune", "train"}
        name = {"gpu": "components-cuda", "tpu": "components-tpu"}[machine] if trains else "components"
        assert container["image"] == f"registry.local/canario/{name}:reviewed"
        assert {"memoryLimit", "cpuRequest", "memoryRequest"} <= container["resources"].keys()
        assert "pip install" not in str(container["command"])
        assert tasks[step]["retryPolicy"]["maxRetryCount"] == 2
        assert int(platform[f"exec-{step}"]["activeDeadlineSeconds"]) >= 600


def test_steps_that_look_outside_their_inputs_are_never_reused() -> None:
    tasks = documents("cpu")[0]["root"]["dag"]["tasks"]
    reused = {step for step, task in tasks.items() if task["cachingOptions"].get("enableCache")}
    assert reused == {"validate", "split", "tune", "train", "evaluate"}


@pytest.mark.parametrize(
    ("machine", "resource", "labels"),
    [
        ("gpu", "nvidia.com/gpu", {"canario/accelerator": "nvidia-l4"}),
        (
            "tpu",
            "google.com/tpu",
            {
                "canario/accelerator": "tpu-v5-lite-podslice",
                "canario/tpu-topology": "2x2",
            },
        ),
    ],
)
def test_only_training_runs_on_the_accelerators_nodes(machine: str, resource: str, labels: dict[str, str]) -> None:
    pipeline, platform = documents(machine)
    for step in STEPS:
        resources = pipeline["deploymentSpec"]["executors"][f"exec-{step}"]["container"]["resources"]
        settings = platform[f"exec-{step}"]
        if step in {"tune", "train"}:
            count = str(MACHINES[machine]["accelerator_count"])
            assert (resources["accelerator"]["resourceType"], resources["accelerator"]["resourceCount"]) == (
                resource,
                count,
            )
            assert settings["nodeSelector"]["labels"] == labels
            assert settings["tolerations"] == [{"key": resource, "operator": "Exists", "effect": "NoSchedule"}]
        else:
            assert "accelerator" not in resources
            assert settings.keys() == {"activeDeadlineSeconds"}


def test_a_cloud_is_asked_by_the_labels_that_it_sets() -> None:
    text = compile_pipeline(spec_on("gpu"), pods=PodSettings(pools="gke"))
    _, platform = yaml.safe_load_all(text)
    settings = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train"]
    assert settings["nodeSelector"]["labels"] == {"cloud.google.com/gke-accelerator": "nvidia-l4"}


def test_where_the_table_lies_on_this_machine_does_not_show() -> None:
    here, there = (small_spec(data={**spec_on("cpu").data.model_dump(), "uri": f"{p}/t.csv"}) for p in ("/a", "/b/c"))
    assert compile_pipeline(here) == compile_pipeline(there)


def test_the_command_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "service.yaml"
    spec.write_text(yaml.safe_dump(small_spec().model_dump(mode="json", exclude_defaults=True)))
    output = tmp_path / "build" / "p.yaml"
    assert main(["--spec", str(spec), "--output", str(output), "--image", "registry.example/python:1"]) == 0
    assert output.read_text().count("image: registry.example/python:1") == len(STEPS)
    assert main(["--spec", str(tmp_path / "none.yaml"), "--output", str(output)]) == 2
    assert "none.yaml" in capsys.readouterr().err
