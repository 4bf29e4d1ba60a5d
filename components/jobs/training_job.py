"""A training as Kubernetes objects: an indexed Job, its inputs, and the network between its workers."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final

from components.errors import TrainingInputError
from components.jobs.node_pools import Provider, devices, node_labels, pool_label, tolerations
from components.jobs.train_worker import PORT
from components.models.trained import FIT
from components.spec.contract import Spec, Training

#: The label that finds the objects of one training.
INSTANCE: Final = "app.kubernetes.io/instance"
#: The folder in the pod where worker 0 leaves the model.
MODEL_FOLDER: Final = "/tmp/model"  # noqa: S108 -- a volume of the pod's own
#: The largest ConfigMap: https://kubernetes.io/docs/concepts/configuration/configmap
LARGEST_INPUT_BYTES: Final = 1_048_576

_INPUTS: Final = "/inputs"
#: A Python program as process 1 ignores SIGTERM, so there is no use in waiting for it.
_GRACE_SECONDS: Final = 2


@dataclass(frozen=True)
class Inputs:
    """The files that the train step reads: the spec, and the files that the steps before it wrote."""

    spec: Spec
    train: bytes
    trials: bytes


@dataclass(frozen=True)
class JobPlan:
    """One training; `pool` is a pool's name, empty for any node, and `provider` says whose labels nodes have."""

    name: str
    image: str
    workers: int
    pool: str
    memory: str
    training: Training
    provider: Provider = "canario"

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object."""
        return {"app.kubernetes.io/name": "training", INSTANCE: self.name, "app.kubernetes.io/part-of": "canario"}


def objects(wanted: JobPlan, inputs: Inputs) -> list[dict[str, Any]]:
    """The objects of a training, the Job last.

    Raises:
        SpecError: the provider's pools do not have the accelerator.
        TrainingInputError: the inputs are too large for the cluster's own store.
    """
    shared = [_inputs(wanted, inputs), _policy(wanted)]
    return [*shared, *([_service(wanted)] if wanted.workers > 1 else []), _job(wanted)]


def _inputs(wanted: JobPlan, inputs: Inputs) -> dict[str, Any]:
    spec = inputs.spec.model_dump_json().encode()
    files = {"spec.json": spec, "train.parquet": inputs.train, "trials.json": inputs.trials}
    size = sum(map(len, files.values()))
    if size > LARGEST_INPUT_BYTES:
        raise TrainingInputError(
            f"the inputs of the train step have {size:,} bytes, at most {LARGEST_INPUT_BYTES:,} fit in a ConfigMap; "
            "put the table in an object store, name it in data.uri (such as s3://bucket/table.parquet), and run the "
            "whole graph on Kubeflow Pipelines, whose steps hand their files on through that store"
        )
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    return {**_head("v1", "ConfigMap", wanted), "immutable": True, "binaryData": data}


def _service(wanted: JobPlan) -> dict[str, Any]:
    """A Service that names the workers, also before they are ready, because they look for each other first."""
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {INSTANCE: wanted.name},
        "ports": [{"name": "grpc", "port": PORT}],
    }
    return {**_head("v1", "Service", wanted), "spec": spec}


def _policy(wanted: JobPlan) -> dict[str, Any]:
    """Lets workers reach each other on any port (NCCL chooses its own) and DNS, and nothing else."""
    names = {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}
    others = [{"podSelector": {"matchLabels": {INSTANCE: wanted.name}}}] if wanted.workers > 1 else []
    spec = {
        "podSelector": {"matchLabels": {INSTANCE: wanted.name}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": others}] if others else [],
        "egress": [{"to": others}, names] if others else [],
    }
    return {**_head("networking.k8s.io/v1", "NetworkPolicy", wanted), "spec": spec}


def _job(wanted: JobPlan) -> dict[str, Any]:
    """The Job, with one completion for each worker; they train one network, so one failure fails the Job."""
    spec = {
        "completionMode": "Indexed",
        "completions": wanted.workers,
        "parallelism": wanted.workers,
        "backoffLimitPerIndex": 0,
        "maxFailedIndexes": 0,
        "activeDeadlineSeconds": 60 * wanted.training.timeout_minutes,
        "ttlSecondsAfterFinished": 3600,
        "template": {"metadata": {"labels": wanted.labels}, "spec": _pod(wanted)},
    }
    return {**_head("batch/v1", "Job", wanted), "spec": spec}


def _pod(wanted: JobPlan) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1034,
            "runAsGroup": 1034,
            "fsGroup": 1034,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "nodeSelector": _nodes(wanted),
        "tolerations": tolerations(wanted.training, wanted.provider),
        "containers": [_container(wanted)],
        "volumes": [{"name": "inputs", "configMap": {"name": wanted.name}}, {"name": "tmp", "emptyDir": {}}],
    }
    if wanted.workers > 1:
        pod |= {"subdomain": wanted.name, "topologySpreadConstraints": [_spread(wanted)]}
    return pod


def _spread(wanted: JobPlan) -> dict[str, Any]:
    """Prefers a node for each worker, without waiting for one: that could deadlock."""
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {INSTANCE: wanted.name}},
    }


def _nodes(wanted: JobPlan) -> dict[str, str]:
    return pool_label(wanted.pool, wanted.provider) | node_labels(wanted.training, wanted.provider)


def _container(wanted: JobPlan) -> dict[str, Any]:
    """The worker, which is ready once its model can be taken."""
    return {
        "name": "worker",
        "image": wanted.image,
        "imagePullPolicy": "IfNotPresent",
        "args": _arguments(wanted),
        "readinessProbe": {"exec": {"command": ["test", "-f", f"{MODEL_FOLDER}/{FIT}"]}, "periodSeconds": 1},
        "resources": {
            "requests": {"cpu": "250m", "memory": "1Gi"},
            "limits": {"memory": wanted.memory, **devices(wanted.training)},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "inputs", "mountPath": _INPUTS, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 -- a volume of the pod's own
        ],
    }


def _arguments(wanted: JobPlan) -> list[str]:
    together = ["--workers", str(wanted.workers), "--job", wanted.name, "--service", wanted.name]
    files = {"spec": "spec.json", "train": "train.parquet", "trials": "trials.json"}
    given = [word for option, file in files.items() for word in (f"--{option}", f"{_INPUTS}/{file}")]
    return ["components.jobs.train_worker", *given, "--out", MODEL_FOLDER, *(together if wanted.workers > 1 else [])]


def _head(version: str, kind: str, wanted: JobPlan) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": wanted.name, "labels": wanted.labels}}
