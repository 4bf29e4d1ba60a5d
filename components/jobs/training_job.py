"""Workers that train together as Kubernetes objects: an indexed Job, and the network between its pods."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from components.digest import sha256
from components.jobs.inputs import WorkerInputs
from components.jobs.train_worker import FINAL, PORT

#: The label that finds the objects of one training.
INSTANCE: Final = "app.kubernetes.io/instance"
#: The annotation with the digest of what a Job trains from.
INPUTS: Final = "canario/inputs"
#: https://kueue.sigs.k8s.io/docs/tasks/run/jobs
QUEUE: Final = "kueue.x-k8s.io/queue-name"
#: How often all workers together may start again after one was lost.
RETRIES: Final = 3
#: A pod's host name, `<job>-<index>`, has 63 characters at most.
_LONGEST_NAME: Final = 60
#: A mesh's proxy would outlive the worker, and its Job would never end.
_NO_SIDECAR: Final = {"sidecar.istio.io/inject": "false"}


@dataclass(frozen=True)
class JobPlan:
    """One training as a Job.

    Attributes:
        inputs: what the workers read.
        pod: the spec of each worker's pod.
        owner: an owner reference; the Job goes when its owner goes.
        minutes: how long the workers may run, all tries together.
        queue: the Kueue queue in which the Job waits for all its pods at once; empty for none.
    """

    name: str
    inputs: WorkerInputs
    pod: Mapping[str, Any]
    owner: Mapping[str, Any]
    minutes: int
    queue: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object."""
        return {"app.kubernetes.io/name": "training", INSTANCE: self.name, "app.kubernetes.io/part-of": "canario"}


def job_name(owner: Mapping[str, Any], inputs: WorkerInputs) -> str:
    """The name of a Job: the same for a retried step of the same run, another for every other run.

    It is a DNS label that begins with a letter, because the workers' Service is called so too.
    """
    mark = "-train-" + sha256(f"{owner['uid']} {inputs.digest}".encode()).removeprefix("sha256:")[:8]
    readable = re.sub(r"[^a-z0-9]+", "-", str(owner["name"]).lower()).strip("-")
    readable = readable if readable[:1].isalpha() else f"run-{readable}"
    return readable[: _LONGEST_NAME - len(mark)].rstrip("-") + mark


def job_object(plan: JobPlan) -> dict[str, Any]:
    """The Job. Kubernetes starts a lost worker again, and the others too, because they fail without it.

    A worker that ends with a status of `FINAL` fails the Job at once. A pod that was evicted is not counted. With
    worker 0 all is done, since it keeps the model.
    """
    pod = {**plan.pod, "subdomain": plan.name, "topologySpreadConstraints": [_spread(plan)]}
    spec = {
        "completionMode": "Indexed",
        "completions": plan.inputs.workers,
        "parallelism": plan.inputs.workers,
        "backoffLimit": RETRIES * plan.inputs.workers,
        "podFailurePolicy": {"rules": [_fail_at_once(), _forgive_eviction()]},
        "successPolicy": {"rules": [{"succeededIndexes": "0"}]},
        "activeDeadlineSeconds": 60 * plan.minutes,
        "ttlSecondsAfterFinished": 3600,
        "suspend": bool(plan.queue),
        "template": {"metadata": {"labels": {**plan.labels, **_NO_SIDECAR}}, "spec": pod},
    }
    document = _head("batch/v1", "Job", plan, plan.owner)
    document["metadata"]["annotations"] = {INPUTS: plan.inputs.digest}
    document["metadata"]["labels"] = {**plan.labels, **({QUEUE: plan.queue} if plan.queue else {})}
    return {**document, "spec": spec}


def network_objects(plan: JobPlan, job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The Service that names the workers, and the policy that lets only them reach each other; the Job owns both."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": plan.name, "uid": job["metadata"]["uid"]}
    mine = {INSTANCE: plan.name}
    # Not ready ones too, because workers look for each other before they are ready.
    names = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": mine}
    # On any port, since NCCL chooses its own.
    peers = [{"from": [{"podSelector": {"matchLabels": mine}}]}]
    policy = {"podSelector": {"matchLabels": mine}, "policyTypes": ["Ingress"], "ingress": peers}
    return [
        {**_head("v1", "Service", plan, owner), "spec": {**names, "ports": [{"name": "grpc", "port": PORT}]}},
        {**_head("networking.k8s.io/v1", "NetworkPolicy", plan, owner), "spec": policy},
    ]


def _fail_at_once() -> dict[str, Any]:
    return {
        "action": "FailJob",
        "onExitCodes": {"containerName": "worker", "operator": "In", "values": list(FINAL)},
    }


def _forgive_eviction() -> dict[str, Any]:
    return {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


def _spread(plan: JobPlan) -> dict[str, Any]:
    """Prefers a node for each worker, without waiting for one: that could deadlock."""
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {INSTANCE: plan.name}},
    }


def _head(version: str, kind: str, plan: JobPlan, owner: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": plan.name, "labels": plan.labels, "ownerReferences": [dict(owner)]}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}
