"""An S3 store in a pod with its secret, for a test in a namespace of its own: bucket `canario`, empty at first."""

from __future__ import annotations

from typing import Any, Final

from tests.e2e.kube import CONTAINER_SECURITY

NAME: Final = "store"
PORT: Final = 9000
ADDRESS: Final = "s3://canario"
#: Its credentials, by the variables that clients read.
KEY: Final = {"AWS_ACCESS_KEY_ID": "trainer", "AWS_SECRET_ACCESS_KEY": "trainers-password"}
#: What restricted Pod Security asks of a pod, with a user and a group that may write to its volumes.
POD_SECURITY: Final = {
    "runAsNonRoot": True,
    "runAsUser": 1034,
    "runAsGroup": 1034,
    "fsGroup": 1034,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_SERVE: Final = (
    f"mkdir -p /data/buckets/canario && exec rclone serve s3 /data/buckets --addr=:{PORT} --config= --cache-dir=/tmp"
)


def store_objects(image: str) -> list[dict[str, Any]]:
    """The pod, its service and its secret; `image` is that of canario's stores."""
    container = {
        "name": NAME,
        "image": image,
        "command": ["sh", "-ec", f"{_SERVE} --auth-key={','.join(KEY.values())}"],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    pod = {"securityContext": POD_SECURITY, "containers": [container], "volumes": [{"name": "data", "emptyDir": {}}]}
    label = {"app": NAME}
    ports = {"selector": label, "ports": [{"port": PORT}]}
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME, "labels": label}, "spec": pod},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}, "spec": ports},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME}, "stringData": KEY},
    ]
