"""The models that were registered, and which of them is champion: MLflow's registry in this project's words.

MLflow takes seconds to import, so it is imported where it is used.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlparse

from components.errors import PackageError
from components.package.model_package import read_package
from components.spec.contract import CHAMPION, PACKAGE_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHALLENGER: Final = "challenger"

#: Tags of a model version; with that of its package they resolve to everything in the receipt.
SNAPSHOT_TAG: Final = "canario.snapshot"
SNAPSHOT_URI_TAG: Final = "canario.snapshot_uri"
RUN_TAG: Final = "canario.run"

#: A server's artifacts are asked of the server: the bucket behind it need not be reached from here, and MLflow would
#: try it, without an end, as soon as it is an S3 one.
_SETTINGS: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}


@dataclass(frozen=True)
class Registered:
    """A model version.

    Attributes:
        name: the service's.
        version: the registry's number, as text.
        package: digest of its package.
        package_uri: where the package's files are.
        snapshot: digest of the data that it was trained on.
        snapshot_uri: where that data is.
        run_id: MLflow's id of the run that made it.
    """

    name: str
    version: str
    package: str
    package_uri: str
    snapshot: str
    snapshot_uri: str
    run_id: str


def connect(uri: str) -> MlflowClient:
    """A client of the store at an MLflow URI; the folder of a new SQLite file is made."""
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    _set_defaults()
    with _quiet():
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_registered_models(max_results=1)
    return client


def _set_defaults() -> None:
    """What MLflow does where its environment does not say otherwise."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what MLflow and Alembic say when they make a store: lines, and warnings of their own libraries' age."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def is_empty(uri: str) -> bool:
    """Whether the store is a SQLite file that nobody made yet; saves the seconds that asking takes."""
    return uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists()


def champion(uri: str, name: str) -> Registered | None:
    """The version of a model that has the alias `champion`, or None before there is one."""
    return None if is_empty(uri) else aliased(connect(uri), name, CHAMPION)


def promote(uri: str, name: str, version: str) -> Registered:
    """Moves the alias `champion` to a version; doing it again changes nothing.

    Raises:
        mlflow.exceptions.MlflowException: there is no such version.
    """
    client = connect(uri)
    client.set_registered_model_alias(name, CHAMPION, version)
    return _registered(client.get_model_version(name, version))


def aliased(client: MlflowClient, name: str, alias: str) -> Registered | None:
    """The version with an alias, or None."""
    models = client.search_registered_models(f"name = '{name}'")
    version = models[0].aliases.get(alias) if models else None
    return None if version is None else _registered(client.get_model_version(name, str(version)))


def version_of(client: MlflowClient, name: str, package: str) -> Registered | None:
    """The version that was registered for a package, or None."""
    found = client.search_model_versions(f"name = '{name}' and tags.`{PACKAGE_TAG}` = '{package}'")
    return _registered(found[0]) if found else None


def numbered(client: MlflowClient, name: str, version: str) -> Registered | None:
    """The version of a model with a number, or None."""
    if not version.isdigit():
        return None
    found = client.search_model_versions(f"name = '{name}' and version_number = {version}")
    return _registered(found[0]) if found else None


def register_version(
    client: MlflowClient, name: str, package_uri: str, run_id: str, tags: Mapping[str, str]
) -> Registered:
    """The version for a package, made unless it is there, with the alias `challenger`."""
    known = version_of(client, name, tags[PACKAGE_TAG])
    if known is None:
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        known = _registered(client.create_model_version(name, package_uri, run_id, tags=dict(tags)))
    client.set_registered_model_alias(name, CHALLENGER, known.version)
    return known


def _registered(version: ModelVersion) -> Registered:
    tags = version.tags
    return Registered(
        name=version.name,
        version=str(version.version),
        package=tags[PACKAGE_TAG],
        package_uri=str(version.source),
        snapshot=tags[SNAPSHOT_TAG],
        snapshot_uri=tags[SNAPSHOT_URI_TAG],
        run_id=str(version.run_id),
    )


def local_package(registered: Registered, uri: str) -> Path:
    """The folder of a registered package on this machine, every byte checked; `uri` is of the store that told of it.

    Raises:
        PackageError: it is not the package that was registered.
    """
    place = urlparse(registered.package_uri)
    path = Path(unquote(place.path))
    if place.scheme not in {"", "file"}:
        _set_defaults()
        from mlflow.artifacts import download_artifacts

        # A server keeps its artifacts itself: theirs is an address without a host.
        path = Path(download_artifacts(artifact_uri=registered.package_uri, tracking_uri=uri))
    found = read_package(path).digest
    if found != registered.package:
        raise PackageError(f"{path}: holds {found}, but version {registered.version} is {registered.package}")
    return path
