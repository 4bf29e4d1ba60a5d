"""A backup: a folder with the database, the objects and the registry's contents of one moment, each with its digest."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from components.digest import Digest, file_digest
from components.registry.contents import UnreadableRegistryError, read_contents, told
from components.spec.contract import ClosedModel
from k8s.backup.stores import Stores
from k8s.cluster.kubectl import get_json, is_there
from k8s.cluster.tunnel import ClusterService, reached
from k8s.errors import ClusterError, EnvironmentFileError
from k8s.rendering.yaml_file import read_file

DATABASE: Final = "database.dump"
OBJECTS: Final = "objects.tar.gz"
REGISTRY: Final = "registry.json"
#: Written last; a folder without it is no backup.
RECORD: Final = "backup.json"

Say = Callable[[str], None]


class BackupRecord(ClosedModel):
    """What `backup.json` says of its folder."""

    environment: str = Field(description="The environment that it is of.")
    taken: str = Field(description="When, in UTC.")
    cluster: str = Field(description="The identity of the cluster: the uid of its namespace kube-system.")
    mlflow: str = Field(description="MLflow's image, whose version made the tables.")
    files: dict[str, Digest] = Field(description="The digest of each file beside it.")


@dataclass(frozen=True)
class Place:
    """What is backed up: an environment and the namespace of its platform."""

    environment: str
    namespace: str

    @property
    def mlflow(self) -> ClusterService:
        """MLflow's service."""
        return ClusterService("MLFLOW", self.namespace, "mlflow", 80)

    def has_mlflow(self) -> bool:
        """Whether MLflow is there at all."""
        return is_there("-n", self.namespace, "get", "deployment", "mlflow")

    @property
    def stores(self) -> Stores:
        """Where MLflow keeps what it has."""
        return Stores(self.namespace)


def require_own_stores(place: Place) -> None:
    """Checks that what MLflow keeps is in this cluster.

    Raises:
        ClusterError: it is in a cloud's database and store, whose own backups count.
    """
    if not place.stores.are_there():
        raise ClusterError(
            f"MLflow of {place.environment} has no store in this cluster (namespace {place.namespace} has no "
            "StatefulSet postgresql); a cloud's database and bucket have backups of their own, and terraform/README.md "
            "says how one is taken and restored"
        )


def take_backup(place: Place, parent: Path, say: Say, now: datetime | None = None) -> Path:
    """Writes a backup into a new folder below `parent`, which nobody else may read; MLflow goes on meanwhile.

    The database comes first: an object is written before the row that names it, so each row's objects are in the
    archive.

    Raises:
        ClusterError: the stores are not in the cluster, or one of them cannot be read; no folder is left.
    """
    require_own_stores(place)
    moment = now or datetime.now(UTC)
    parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".backup-", dir=parent))
    try:
        contents = read_registry(place)
        place.stores.dump_database(draft / DATABASE)
        place.stores.archive_objects(draft / OBJECTS)
        (draft / REGISTRY).write_text(json.dumps(contents, indent=1), encoding="utf-8")
        files = {name: file_digest(draft / name) for name in (DATABASE, OBJECTS, REGISTRY)}
        record = BackupRecord(
            environment=place.environment,
            taken=moment.isoformat(timespec="seconds"),
            cluster=get_json("get", "namespace", "kube-system")["metadata"]["uid"],
            mlflow=mlflow_image(place.namespace),
            files=files,
        )
        (draft / RECORD).write_text(record.model_dump_json(indent=1), encoding="utf-8")
        folder = parent / f"{moment:%Y%m%dT%H%M%SZ}"
        draft.replace(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    size = sum(file.stat().st_size for file in folder.iterdir())
    say(f"backup: {told(contents)}, {size / 1e6:.1f} MB in {folder}")
    return folder


def read_registry(place: Place) -> dict[str, Any]:
    """What MLflow's registry holds now.

    Raises:
        ClusterError: MLflow is not reached, or cannot read it.
    """
    with reached(place.mlflow) as uri:
        try:
            return read_contents(uri)
        except UnreadableRegistryError as error:
            raise ClusterError(f"MLflow of {place.environment} cannot read its registry: {error}") from error


def read_backup(folder: Path, environment: str) -> tuple[BackupRecord, dict[str, Any]]:
    """A backup's record and the registry's contents, with every byte checked.

    Raises:
        EnvironmentFileError: it is no backup, of another environment, or one of its files changed.
    """
    try:
        record = read_file(BackupRecord, folder / RECORD)
    except FileNotFoundError as error:
        raise EnvironmentFileError(
            f"{folder} is no backup, for it has no {RECORD}; `make backup` writes one into build/backup"
        ) from error
    if record.environment != environment:
        raise EnvironmentFileError(f"{folder} is a backup of {record.environment}, not of {environment}")
    for name, digest in record.files.items():
        found = file_digest(folder / name) if (folder / name).is_file() else "not there"
        if found != digest:
            raise EnvironmentFileError(f"{folder / name} is {found}, and was {digest} when the backup was taken")
    contents: dict[str, Any] = json.loads((folder / REGISTRY).read_text(encoding="utf-8"))
    return record, contents


def mlflow_image(namespace: str) -> str:
    """The image of MLflow's server."""
    server = get_json("-n", namespace, "get", "deployment", "mlflow")
    return str(server["spec"]["template"]["spec"]["containers"][0]["image"])
