"""Provides MLflow's secret: one from outside, or one made here for the chart's own stores."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from k8s.cluster.kubectl import get_json, is_there, kubectl
from k8s.errors import ClusterError

_DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
#: Size of each local store, if the cluster can provide a volume.
_SIZE: Final = "5Gi"


@dataclass(frozen=True)
class Tracking:
    """MLflow in the rendered chart: the name of its secret, None without MLflow, and whether the chart has stores."""

    secret: str | None
    stores: bool


def tracking(objects: Iterable[Mapping[str, Any]]) -> Tracking:
    """Reads the tracking setup from a rendered chart."""
    named = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    server = named.get(("Deployment", "mlflow"))
    container = server["spec"]["template"]["spec"]["containers"][0] if server else None
    secret = container["envFrom"][0]["secretRef"]["name"] if container else None
    return Tracking(secret, ("StatefulSet", "postgresql") in named)


def require_secret(wanted: Tracking, namespace: str) -> None:
    """Checks that a secret from outside exists, before anything is installed that would wait for it.

    Raises:
        ClusterError: the secret is missing.
    """
    if wanted.secret and not wanted.stores and not _is_there(wanted.secret, namespace):
        raise ClusterError(
            f"namespace {namespace} has no secret {wanted.secret}, from which MLflow takes its database and its "
            "artifact store; helm/canario/README.md says what it holds (`make tf-handover` makes it)"
        )


def bring_secret(wanted: Tracking, namespace: str, say: Callable[[str], None]) -> None:
    """Makes the secret of our own stores unless it exists."""
    if wanted.secret is None or not wanted.stores:
        return
    if _is_there(wanted.secret, namespace):
        say(f"secret {wanted.secret}: is there, and is kept")
        return
    _make(wanted.secret, namespace)
    say(f"secret {wanted.secret}: was made, with new passwords for the stores")


def _is_there(secret: str, namespace: str) -> bool:
    return is_there("-n", namespace, "get", "secret", secret)


def _make(name: str, namespace: str) -> None:
    """Creates the secret from a file that only its owner can read: other programs can see command arguments."""
    document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "canario"}},
        "stringData": local_secret(),
    }
    with tempfile.TemporaryDirectory(prefix="canario-platform-") as folder:
        path = Path(folder) / "secret.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        kubectl("-n", namespace, "create", "--filename", str(path))


def local_secret() -> dict[str, str]:
    """The addresses of the chart's own stores, with new passwords."""
    return {
        "MLFLOW_BACKEND_STORE_URI": "postgresql://mlflow@postgresql:5432/mlflow",
        "PGPASSWORD": secrets.token_urlsafe(24),
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://mlflow",
        "MLFLOW_S3_ENDPOINT_URL": "http://object-store:9000",
        "AWS_ACCESS_KEY_ID": "mlflow",
        "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(24),
    }


def store_size(namespace: str) -> str:
    """The size of a store's volume claim: the existing store's, else `new_size`; "" for no claim."""
    there = kubectl("-n", namespace, "get", "statefulset", "postgresql", "--ignore-not-found", "-o", "json")
    if there.strip():
        return size_of(json.loads(there))
    return new_size(get_json("get", "storageclasses"))


def size_of(statefulset: Mapping[str, Any]) -> str:
    """The size that an existing store claims, which Kubernetes does not allow to change; "" for no claim."""
    claims = statefulset["spec"].get("volumeClaimTemplates", ())
    return str(claims[0]["spec"]["resources"]["requests"]["storage"]) if claims else ""


def new_size(storage_classes: Mapping[str, Any]) -> str:
    """The size that a new store claims; "" if the cluster has no default StorageClass to provide it."""
    annotations = (one["metadata"].get("annotations", {}) for one in storage_classes["items"])
    return _SIZE if any(one.get(_DEFAULT_CLASS) == "true" for one in annotations) else ""


def stored(wanted: Tracking, namespace: str, say: Callable[[str], None]) -> list[str]:
    """The settings of the chart's own stores, key=value; says where what they hold is kept."""
    if not wanted.stores:
        return []
    size = store_size(namespace)
    say(
        f"stores: each claims {size}"
        if size
        else "stores: this cluster has no default StorageClass, so what they hold goes when their pods go"
    )
    return [f"stores.size={size}"]


def parts(wanted: Tracking) -> str:
    """The parts of the platform's own chart, in words."""
    return ", ".join(["the judge", *(["MLflow"] if wanted.secret else []), *(["its stores"] if wanted.stores else [])])
