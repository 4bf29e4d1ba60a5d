"""What the state of a Job and of its pods means."""

from __future__ import annotations

from typing import Any

import pytest

from k8s.training.errors import TrainingError
from k8s.training.following import pod_state, verdict


def job(*conditions: tuple[str, str]) -> dict[str, Any]:
    told = [{"type": kind, "status": status, "reason": "Why", "message": "because"} for kind, status in conditions]
    return {"metadata": {"name": "j"}, "status": {"conditions": told}}


def pod(phase: str, state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "j-0"},
        "spec": {"nodeName": "node2"},
        "status": {"phase": phase, "containerStatuses": [{"state": state}], **more},
    }


def test_a_job_runs_until_it_is_complete() -> None:
    assert not verdict({"metadata": {"name": "j"}, "status": {}}, [])
    assert not verdict(job(("SuccessCriteriaMet", "True"), ("Complete", "False")), [])
    assert verdict(job(("SuccessCriteriaMet", "True"), ("Complete", "True")), [])


@pytest.mark.parametrize("condition", ["Failed", "FailureTarget"])
def test_a_job_that_failed_says_why_and_how_its_workers_ended(condition: str) -> None:
    ended = pod("Failed", {"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
    with pytest.raises(TrainingError, match=r"job j failed \(Why: because\); j-0: ended with 137 \(OOMKilled\)"):
        verdict(job((condition, "True")), [ended])


def test_a_pod_that_waits_says_for_what() -> None:
    assert pod_state(pod("Pending", {"waiting": {"reason": "ErrImagePull"}})) == "Pending on node2: ErrImagePull"
    assert pod_state(pod("Running", {"running": {}})) == "Running on node2"
    unplaced = {"reason": "Unschedulable", "message": "0/2 nodes are available"}
    nowhere = {"metadata": {"name": "j-0"}, "spec": {}, "status": {"phase": "Pending", "conditions": [unplaced]}}
    assert pod_state(nowhere) == "Pending: 0/2 nodes are available"
