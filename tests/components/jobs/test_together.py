"""What a step knows of itself: its pod, its run, its settings."""

from __future__ import annotations

import pytest

from components.errors import TrainingJobError
from components.jobs.cluster import ForbiddenError
from components.jobs.together import _own_pod, owner_of
from components.jobs.worker_pod import SETTING, WorkerSettings, worker_settings
from tests.components.jobs.kubernetes_stand_in import KubernetesStandIn
from tests.components.jobs.small_job import OWN_POD, WORKFLOW, api_at


def test_the_run_owns_the_job_and_else_the_pod_does() -> None:
    assert owner_of(OWN_POD) == WORKFLOW
    alone = {"metadata": {"name": "p", "uid": "p-1", "ownerReferences": [{**WORKFLOW, "controller": False}]}}
    assert owner_of(alone) == {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "p-1"}


def test_a_step_reads_its_own_pod(cluster: KubernetesStandIn) -> None:
    cluster.put("pods", {**OWN_POD, "metadata": {**OWN_POD["metadata"]}})
    api = api_at(cluster.url)
    assert _own_pod(api, "churn-training-x7-impl-1")["spec"]["serviceAccountName"] == "runner"
    with pytest.raises(TrainingJobError, match="there is no pod 'another' in namespace runs"):
        _own_pod(api, "another")
    cluster.rights.remove(("", "pods", "get"))
    with pytest.raises(ForbiddenError, match=r'cannot get resource "pods".*make rights NAMESPACE=runs'):
        _own_pod(api, "churn-training-x7-impl-1")


def test_settings_are_read_strictly() -> None:
    assert worker_settings({}) == WorkerSettings()
    assert worker_settings({SETTING: '{"queue": "gpus"}'}).queue == "gpus"
    for wrong in ("{", '{"colour": "red"}', '{"queue": 7}'):
        with pytest.raises(TrainingJobError, match="CANARIO_WORKERS is no JSON of WorkerSettings"):
            worker_settings({SETTING: wrong})
