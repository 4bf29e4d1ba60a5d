"""The pod of a worker: made like the step's own pod, so that image, secrets and identity have one home."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field, ValidationError

from components.errors import TrainingJobError
from components.spec.contract import ClosedModel

#: The step's variable with what its workers get that the waiting step itself does not.
SETTING: Final = "CANARIO_WORKERS"
#: Argo's container of a step; in a pod of another origin the first is taken.
_MAIN: Final = "main"
#: What belongs to the step's own container and not to a worker's.
_FOREIGN: Final = ("ARGO_", "KFP_", "CANARIO_WORKERS")
#: Kinds of volumes that a second pod can mount as well.
_SHARED: Final = ("secret", "configMap", "projected", "persistentVolumeClaim", "csi", "nfs")
#: Kubernetes' own volume with the token of the service account.
_OF_THE_ACCOUNT: Final = "kube-api-access-"
#: A Python program as process 1 ignores SIGTERM, so there is no use in waiting for it.
_GRACE_SECONDS: Final = 2


class WorkerSettings(ClosedModel):
    """What each worker gets, in Kubernetes' own words, and the queue of Kueue in which their Job waits."""

    resources: dict[str, dict[str, str]] = Field(default={})
    node_selector: dict[str, str] = Field(default={})
    tolerations: tuple[dict[str, Any], ...] = ()
    queue: str = ""


def worker_settings(environ: Mapping[str, str]) -> WorkerSettings:
    """The settings in the step's environment; what the step's pod has where there are none.

    Raises:
        TrainingJobError: the variable is no such JSON.
    """
    try:
        return WorkerSettings.model_validate_json(environ.get(SETTING) or "{}")
    except ValidationError as error:
        raise TrainingJobError(f"{SETTING} is no JSON of WorkerSettings: {error}") from error


def worker_pod(own: Mapping[str, Any], settings: WorkerSettings, arguments: list[str]) -> dict[str, Any]:
    """The spec of a worker's pod, from the step's own pod as the API has it."""
    spec = own["spec"]
    container = next((each for each in spec["containers"] if each["name"] == _MAIN), spec["containers"][0])
    volumes = [each for each in spec.get("volumes", ()) if _is_shared(each)]
    kept = ("imagePullSecrets", "serviceAccountName", "priorityClassName", "runtimeClassName")
    return {
        **{key: spec[key] for key in kept if spec.get(key)},
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
        "nodeSelector": settings.node_selector or spec.get("nodeSelector", {}),
        "tolerations": list(settings.tolerations or spec.get("tolerations", ())),
        "containers": [_worker(container, settings, volumes, arguments)],
        "volumes": [*volumes, {"name": "tmp", "emptyDir": {}}],
    }


def _worker(
    container: Mapping[str, Any], settings: WorkerSettings, volumes: list[dict[str, Any]], arguments: list[str]
) -> dict[str, Any]:
    names = {each["name"] for each in volumes}
    kept = ("image", "imagePullPolicy", "envFrom")
    return {
        **{key: container[key] for key in kept if key in container},
        "name": "worker",
        "command": ["python", "-m"],
        "args": arguments,
        "env": [each for each in container.get("env", ()) if not each["name"].startswith(_FOREIGN)],
        "resources": settings.resources or container.get("resources", {}),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "workingDir": "/app/src",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            *(each for each in container.get("volumeMounts", ()) if each["name"] in names),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 -- a volume of the pod's own
        ],
    }


def _is_shared(volume: Mapping[str, Any]) -> bool:
    return not volume["name"].startswith(_OF_THE_ACCOUNT) and any(kind in volume for kind in _SHARED)
