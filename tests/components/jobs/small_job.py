"""A small training by two workers, and a run of it against a Kubernetes API at an address.

python -m tests.components.jobs.small_job http://127.0.0.1:1234
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

from kubernetes import client

from components.jobs.cluster import ClusterApi
from components.jobs.inputs import WorkerInputs
from components.jobs.job_run import JobRun
from components.jobs.training_job import JobPlan, job_name
from components.jobs.worker_pod import WorkerSettings, worker_pod

INPUTS = WorkerInputs(
    store="s3://bucket/store", code="sha256:c", spec="sha256:5", train="sha256:1", trials="sha256:2", workers=2
)
WORKFLOW = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "churn-training-x7", "uid": "w-1"}

OWN_POD: dict[str, Any] = {
    "metadata": {
        "name": "churn-training-x7-impl-1",
        "uid": "p-1",
        "ownerReferences": [{**WORKFLOW, "controller": True, "blockOwnerDeletion": True}],
    },
    "spec": {
        "serviceAccountName": "runner",
        "nodeSelector": {"pool": "small"},
        "imagePullSecrets": [{"name": "pull"}],
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "containers": [
            {"name": "wait", "image": "argo"},
            {
                "name": "main",
                "image": "steps:1",
                "imagePullPolicy": "IfNotPresent",
                "envFrom": [{"secretRef": {"name": "more"}}],
                "env": [
                    {"name": "ARGO_TEMPLATE", "value": "{}"},
                    {"name": "KFP_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "CANARIO_WORKERS", "value": "{}"},
                    {
                        "name": "AWS_ACCESS_KEY_ID",
                        "valueFrom": {"secretKeyRef": {"name": "store", "key": "AWS_ACCESS_KEY_ID"}},
                    },
                ],
                "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}},
                "volumeMounts": [
                    {"name": "var-run-argo", "mountPath": "/var/run/argo"},
                    {"name": "ca", "mountPath": "/etc/ca"},
                    {"name": "kube-api-access-abcde", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
                ],
            },
        ],
        "volumes": [
            {"name": "var-run-argo", "emptyDir": {}},
            {"name": "ca", "configMap": {"name": "ca"}},
            {"name": "kube-api-access-abcde", "projected": {"sources": []}},
        ],
    },
}


def small_plan(queue: str = "", settings: WorkerSettings | None = None, **changed: Any) -> JobPlan:
    """The plan of a step in a workflow; `changed` replaces inputs."""
    inputs = dataclasses.replace(INPUTS, **changed)
    name = job_name(WORKFLOW, inputs)
    pod = worker_pod(OWN_POD, settings or WorkerSettings(), inputs.arguments(name))
    return JobPlan(name, inputs, pod, WORKFLOW, 5, queue)


def api_at(url: str) -> ClusterApi:
    """The API at an address, without credentials."""
    settings = client.Configuration(host=url)
    settings.retries = False
    return ClusterApi(client.ApiClient(settings), "runs")


def job_run(url: str, plan: JobPlan, say: Callable[[str], None]) -> JobRun:
    """A run that looks at its Job without a pause."""
    return JobRun(plan, api_at(url), say, look_seconds=0.01)


if __name__ == "__main__":
    job_run(sys.argv[1], small_plan(), lambda line: print(line, flush=True)).train()
