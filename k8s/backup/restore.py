"""Restores a backup into the platform's own stores, and compares the registry with what it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from components.registry.contents import differences, told
from k8s.backup.backup import (
    DATABASE,
    OBJECTS,
    Place,
    Say,
    mlflow_image,
    read_backup,
    read_registry,
    require_own_stores,
)
from k8s.cluster.kubectl import get_json, kubectl
from k8s.errors import ClusterError

_SECONDS: Final = 600
_SERVER: Final = "deployment/mlflow"


def restore(place: Place, folder: Path, say: Say) -> None:
    """Replaces what MLflow keeps by a backup; MLflow is away meanwhile, models go on serving.

    Raises:
        EnvironmentFileError: the backup is not whole, or of another environment; nothing was changed.
        ClusterError: it cannot be restored, or the registry is not what it was.
    """
    record, contents = read_backup(folder, place.environment)
    require_own_stores(place)
    if (image := mlflow_image(place.namespace)) != record.mlflow:
        say(
            f"warning: the backup was taken with {record.mlflow}, and {image} runs; a newer MLflow may need "
            "`mlflow db upgrade` before it starts"
        )
    with _away(place.namespace, say):
        place.stores.restore_database(folder / DATABASE)
        place.stores.restore_objects(folder / OBJECTS)
        say(f"restored: database and objects of {record.taken}")
    changed = differences(contents, read_registry(place))
    if changed:
        raise ClusterError("the registry is not what it was when the backup was taken: " + "; ".join(changed))
    say(f"registry: {told(contents)}, as when the backup was taken")


@contextlib.contextmanager
def _away(namespace: str, say: Say) -> Iterator[None]:
    """MLflow writes nothing as long as this lasts, and serves again afterwards, whatever happened."""
    replicas = int(get_json("-n", namespace, "get", _SERVER)["spec"]["replicas"]) or 1
    pods = ("pods", "--selector", "app.kubernetes.io/name=mlflow")
    kubectl("-n", namespace, "scale", _SERVER, "--replicas=0")
    try:
        kubectl("-n", namespace, "wait", "--for=delete", *pods, f"--timeout={_SECONDS}s", seconds=_SECONDS + 30)
        yield
    finally:
        kubectl("-n", namespace, "scale", _SERVER, f"--replicas={replicas}")
        say("mlflow: starts again")
    for store in ("postgresql-0", "object-store-0"):
        ready = ("wait", "--for=condition=Ready", f"pod/{store}", f"--timeout={_SECONDS}s")
        kubectl("-n", namespace, *ready, seconds=_SECONDS + 30)
    kubectl("-n", namespace, "rollout", "status", _SERVER, f"--timeout={_SECONDS}s", seconds=_SECONDS + 30)
