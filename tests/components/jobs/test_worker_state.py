"""The words for a worker, from what the Kubernetes API has of its pod."""

from __future__ import annotations

from typing import Any

import pytest

from components.jobs.worker_state import worker_name, worker_state

LIMITS = {"resources": {"limits": {"memory": "3Gi"}}}


def pod(phase: str, state: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    status = {"phase": phase, **({"containerStatuses": [{"state": state}]} if state else {}), **more}
    return {"metadata": {"name": "p"}, "spec": {"nodeName": "n1", "containers": [LIMITS]}, "status": status}


def ended(code: int, message: str = "", reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "message": message, "reason": reason}}


IMAGE = {"waiting": {"reason": "ErrImagePull", "message": "no such host"}}
FULL = "The node was low on resource: memory."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (pod("Running", {"running": {}}), "runs on n1"),
        (pod("Pending", IMAGE), "waits on n1: ErrImagePull: no such host"),
        (pod("Failed", ended(2, "column 'a' is missing\n")), "ended on n1 with 2: column 'a' is missing"),
        (pod("Failed", ended(75, "lost another worker")), "ended on n1 with 75: lost another worker"),
        (pod("Failed", ended(137, "the end of a log")), "ended on n1 with 137: Error"),
        (pod("Failed", ended(137, "", "OOMKilled")), "ended on n1 with 137: it needed more memory than its limit, 3Gi"),
        (pod("Failed", reason="Evicted", message=FULL), f"failed on n1: {FULL}"),
        (pod("Succeeded", ended(0)), "ended on n1 with 0"),
    ],
)
def test_a_state_is_a_phrase(given: dict[str, Any], said: str) -> None:
    assert worker_state(given) == said


def test_a_pod_that_is_deleted_is_stopped() -> None:
    given = pod("Running", {"running": {}})
    given["metadata"]["deletionTimestamp"] = "2025-01-01T00:00:00Z"
    assert worker_state(given) == "is stopped on n1"


def test_a_pod_without_a_number_goes_by_its_name() -> None:
    assert worker_name(pod("Running")) == "pod p"
    numbered = pod("Running")
    numbered["metadata"]["labels"] = {"batch.kubernetes.io/job-completion-index": "1"}
    assert worker_name(numbered) == "worker 1"
