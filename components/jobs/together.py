"""Trains one network by several workers: as a Job where the step is a pod, else as processes of this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from components.errors import TrainingJobError
from components.jobs.cluster import ClusterApi
from components.jobs.heartbeat import heartbeat
from components.jobs.inputs import WorkerInputs, folder, result_file
from components.jobs.job_run import JobRun
from components.jobs.local_workers import run_local_workers
from components.jobs.training_job import JobPlan, job_name
from components.jobs.worker_pod import worker_pod, worker_settings
from components.models.trained import kept_model
from components.models.training import TrainedModel
from components.spec.contract import Spec
from components.store.content import Store

#: Kubeflow Pipelines' variable of a step with the name of its pod; a local run has none, wherever it takes place.
POD_NAME: Final = "KFP_POD_NAME"


def train_together(spec: Spec, inputs: WorkerInputs) -> TrainedModel:
    """Has `inputs.workers` workers fit the best trial, and fetches their model from the store.

    Raises:
        TrainingJobError: the workers failed, or the cluster does not let them start.
        StoreError: the store refuses, or does not answer for minutes.
    """
    store = Store(inputs.store)
    if POD_NAME in os.environ:
        api = ClusterApi.own()
        own = _own_pod(api, os.environ[POD_NAME])
        owner = owner_of(own)
        name = job_name(owner, inputs)
        settings = worker_settings(os.environ)
        pod = worker_pod(own, settings, inputs.arguments(name))
        plan = JobPlan(name, inputs, pod, owner, spec.training.timeout_minutes, settings.queue)
        work = JobRun(plan, api, _say).train
    else:
        name = f"local-{os.getpid()}-{inputs.digest[-8:]}"
        work = partial(run_local_workers, inputs, name, 60.0 * spec.training.timeout_minutes)
    try:
        with heartbeat(store, name):
            work()
        return _fetched(store, name)
    finally:
        # A step that is only killed does not come here, so the next try has the checkpoint.
        store.remove(folder(name))


def owner_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The owner reference for a step's Job: the owner of the step's pod, such as its run's workflow, else the pod."""
    for owner in pod["metadata"].get("ownerReferences", ()):
        if owner.get("controller"):
            return {key: owner[key] for key in ("apiVersion", "kind", "name", "uid")}
    return {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}


def _own_pod(api: ClusterApi, name: str) -> Mapping[str, Any]:
    own = api.get("Pod", name)
    if own is None:
        raise TrainingJobError(f"there is no pod {name!r} in namespace {api.namespace}, whose workers would be like it")
    return own


def _fetched(store: Store, name: str) -> TrainedModel:
    content = store.read(result_file(name))
    if content is None:
        raise TrainingJobError(f"{name}: the workers are done, and {result_file(name)} is not in the store")
    return TrainedModel(*kept_model(store, content.decode()))


def _say(line: str) -> None:
    print(line, flush=True)
