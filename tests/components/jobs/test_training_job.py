"""What the cluster is given for one worker and for two."""

from __future__ import annotations

from typing import Any

import pytest

from components.errors import TrainingInputError
from components.jobs.training_job import Inputs, JobPlan, objects
from components.spec.contract import Training
from tests.components.small_table import small_spec


def made(workers: int = 1, pool: str = "", train: bytes = b"rows", **training: Any) -> dict[str, Any]:
    wanted = JobPlan("small-train-1", "steps:1", workers, pool, "4Gi", Training(**training))
    return {each["kind"]: each for each in objects(wanted, Inputs(small_spec(), train, b"{}"))}


def pod(**asked: Any) -> dict[str, Any]:
    spec: dict[str, Any] = made(**asked)["Job"]["spec"]["template"]["spec"]
    return spec


def test_a_failed_worker_or_a_passed_deadline_fails_the_job() -> None:
    """The first worker that fails fails the job, and the spec says how long the job may take."""
    job = made(workers=2, timeout_minutes=3)["Job"]["spec"]
    assert {name: job[name] for name in ("completionMode", "completions", "parallelism")} == {
        "completionMode": "Indexed",
        "completions": 2,
        "parallelism": 2,
    }
    assert (job["backoffLimitPerIndex"], job["maxFailedIndexes"], job["activeDeadlineSeconds"]) == (0, 0, 180)


def test_an_accelerator_is_requested_on_its_tainted_pool() -> None:
    """An accelerator is requested on its pool, and the pool's taint is tolerated."""
    asked = pod(pool="gpu", accelerator="gpu", accelerator_count=2, accelerator_type="nvidia-l4")
    assert asked["containers"][0]["resources"]["limits"] == {"memory": "4Gi", "nvidia.com/gpu": "2"}
    assert asked["nodeSelector"] == {
        "node.kubernetes.io/pool": "gpu",
        "canario/accelerator": "nvidia-l4",
    }
    assert asked["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def test_a_tpu_is_chosen_by_its_topology() -> None:
    asked = pod(accelerator="tpu", accelerator_type="tpu-v5-lite-podslice", tpu_topology="2x2")
    assert asked["nodeSelector"] == {
        "canario/accelerator": "tpu-v5-lite-podslice",
        "canario/tpu-topology": "2x2",
    }
    assert asked["containers"][0]["resources"]["limits"]["google.com/tpu"] == "1"


def test_a_processor_asks_for_no_device() -> None:
    asked = pod()
    assert (asked["nodeSelector"], asked["tolerations"]) == ({}, [])
    assert asked["containers"][0]["resources"]["limits"] == {"memory": "4Gi"}


def test_workers_reach_each_other_early_and_nobody_else_does() -> None:
    """Workers find each other before they are ready, and nobody else reaches them."""
    two = made(workers=2)
    assert two["Service"]["spec"]["clusterIP"] == "None"
    assert two["Service"]["spec"]["publishNotReadyAddresses"] is True
    peers = [{"podSelector": {"matchLabels": {"app.kubernetes.io/instance": "small-train-1"}}}]
    policy = two["NetworkPolicy"]["spec"]
    assert policy["ingress"] == [{"from": peers}]
    assert policy["egress"][0] == {"to": peers}
    assert two["Job"]["spec"]["template"]["spec"]["subdomain"] == two["Service"]["metadata"]["name"]


def test_one_worker_has_nobody_to_talk_to() -> None:
    one = made()
    assert "Service" not in one
    assert (one["NetworkPolicy"]["spec"]["ingress"], one["NetworkPolicy"]["spec"]["egress"]) == ([], [])


def test_inputs_too_large_are_refused_with_another_place() -> None:
    """Inputs that do not fit are refused, and the message says where they would fit."""
    with pytest.raises(
        TrainingInputError, match=r"at most 1,048,576 fit in a ConfigMap; put the table in an object store"
    ):
        made(train=b"x" * 1_048_576)
