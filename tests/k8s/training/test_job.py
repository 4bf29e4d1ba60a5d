"""What the state of a Job and of its pods means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from k8s.training.errors import TrainingError
from k8s.training.job import TrainingJob, pod_state, refusals, verdict
from tests.programs import program


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


def refused(pod: str, why: str) -> dict[str, Any]:
    return {"reason": "FailedCreate", "message": f'Error creating: pods "{pod}" is forbidden: {why}'}


def test_each_reason_of_a_refusal_is_said_once() -> None:
    why, other = "the annotation canario/package is missing", "exceeded quota: quota"
    events = [refused("j-0-abcde", why), refused("j-0-fghij", why), refused("j-1-abcde", other)]
    assert refusals(events) == [f"Error creating: its pod is forbidden: {one}" for one in (why, other)]
    assert refusals([]) == []


@pytest.mark.parametrize("made", [0, 1])
def test_a_job_whose_pods_are_refused_says_so_while_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: int
) -> None:
    ended = job(("Failed", "True")) | {"spec": {"parallelism": 1}}
    pods = [{"metadata": {"name": "j-0"}, "spec": {}, "status": {"phase": "Pending"}}] * made
    answers = {"pods": {"items": pods}, "job": ended, "events": {"items": [refused("j-0-abcde", "no")]}}
    for kind, answer in answers.items():
        (tmp_path / kind).write_text(json.dumps(answer))
    program(tmp_path, "kubectl", f'cat "{tmp_path}/$4"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    said: list[str] = []
    with pytest.raises(TrainingError, match="job j failed"):
        TrainingJob("j", "training", said.append).model(tmp_path, 1)
    told = ["job j: no pod is made: Error creating: its pod is forbidden: no"]
    assert [line for line in said if "no pod is made" in line] == ([] if made else told)
