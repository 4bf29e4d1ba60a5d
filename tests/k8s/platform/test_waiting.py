"""Why pods are not ready is said with what to do."""

from __future__ import annotations

from typing import Any

import pytest

from k8s.platform.waiting import waiting

IMAGE = "registry.local/canario/mlflow:0.1.0"


def pod(state: dict[str, Any], *, init: bool = False, ready: bool = False, **status: Any) -> dict[str, Any]:
    container = {"name": "mlflow", "image": IMAGE, "state": state, "ready": ready}
    return {
        "metadata": {"name": "mlflow-1"},
        "status": {"initContainerStatuses" if init else "containerStatuses": [container], **status},
    }


@pytest.mark.parametrize("init", [False, True])
def test_an_image_that_no_node_has_is_named_with_what_makes_it(init: bool) -> None:
    (line,) = waiting([pod({"waiting": {"reason": "ErrImagePull"}}, init=init)])
    assert line.startswith(f"pod mlflow-1: its node has no image {IMAGE}; `make platform-images` makes it")


def test_an_image_that_is_not_ours_may_be_another() -> None:
    """Nobody here makes Alertmanager's image: a node that does not get it needs another name."""
    lacking = pod({"waiting": {"reason": "ImagePullBackOff"}})
    lacking["metadata"]["name"] = "alertmanager-1"
    (line,) = waiting([lacking])
    assert "`alertmanager: {image: ...}` in the environment's canario.yaml" in line
    assert "make platform-images" not in line


def test_a_program_that_ends_at_once_is_told_with_its_log() -> None:
    """A program that ends at once is told, with the command that shows its log."""
    (line,) = waiting([pod({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}})])
    assert "CrashLoopBackOff; back-off 10s (`kubectl -n canario logs mlflow-1 -c mlflow`)" in line


def test_a_pod_that_no_node_takes_is_said() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    assert list(waiting([{"metadata": {"name": "a"}, "status": {"conditions": [condition]}}])) == [
        "pod a: 0/2 nodes are available"
    ]


def test_only_a_pod_that_runs_and_is_not_ready_is_told() -> None:
    """A pod that runs and is not ready is told; one that is ready, starts or has ended is not."""
    assert list(waiting([pod({"running": {}})])) == [
        "pod mlflow-1: runs and is not ready (`kubectl -n canario logs mlflow-1 -c mlflow`)"
    ]
    quiet = [
        pod({"running": {}}, ready=True),
        pod({"waiting": {"reason": "ContainerCreating"}}),
        pod({"terminated": {}}),
    ]
    assert list(waiting(quiet)) == []
