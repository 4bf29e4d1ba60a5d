"""The registered models and the champion among them: MLflow's registry in this project's terms.

MLflow takes seconds to import, so only the functions that use it import it.
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

from components.errors import PackageError, UnknownVersionError
from components.package.model_package import read_package
from components.spec.contract import CHAMPION, PACKAGE_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHALLENGER: Final = "challenger"

#: Tags of a model version; together with the package's tag they resolve to everything in the receipt.
SNAPSHOT_TAG: Final = "canario.snapshot"
SNAPSHOT_URI_TAG: Final = "canario.snapshot_uri"
RUN_TAG: Final = "canario.run"

#: Artifacts are fetched through the server: its bucket may not be reachable from here, and MLflow would try an S3
#: bucket for ever.
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
        name: the service's name.
        version: the registry's number, as text.
        package: digest of its package.
        package_uri: location of the package's files.
        snapshot: digest of its training data.
        snapshot_uri: location of that data.
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
    """A client of the store at an MLflow URI; makes the folder of a new SQLite file."""
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    _set_defaults()
    with _quiet():
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_registered_models(max_results=1)
    return client


def _set_defaults() -> None:
    """Sets MLflow's defaults, unless the environment sets them."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences MLflow and Alembic, which log lines and warn of outdated libraries when they make a store."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def is_empty(uri: str) -> bool:
    """True if the store is a SQLite file that does not exist yet; saves the seconds of asking MLflow."""
    return uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists()


def champion(uri: str, name: str) -> Registered | None:
    """The version of a model with the alias `champion`, or None before the first."""
    return None if is_empty(uri) else aliased(connect(uri), name, CHAMPION)


def promote(uri: str, name: str, version: str) -> Registered:
    """Moves the alias `champion` to a version; a repetition changes nothing.

    Raises:
        mlflow.exceptions.MlflowException: the version does not exist.
        UnknownVersionError: `make train` did not register it.
    """
    client = connect(uri)
    known = _registered(client.get_model_version(name, version))
    client.set_registered_model_alias(name, CHAMPION, version)
    return known


def aliased(client: MlflowClient, name: str, alias: str) -> Registered | None:
    """The version with an alias, or None."""
    models = client.search_registered_models(f"name = '{name}'")
    version = models[0].aliases.get(alias) if models else None
    return None if version is None else _registered(client.get_model_version(name, str(version)))


def version_of(client: MlflowClient, name: str, package: str) -> Registered | None:
    """The version registered for a package, or None."""
    found = client.search_model_versions(f"name = '{name}' and tags.`{PACKAGE_TAG}` = '{package}'")
    return _registered(found[0]) if found else None


def made_by_run(uri: str, name: str, run: str) -> Registered | None:
    """The version that a run registered, or None."""
    if is_empty(uri):
        return None
    found = connect(uri).search_model_versions(f"name = '{name}' and tags.`{RUN_TAG}` = '{run}'")
    return _registered(found[0]) if found else None


def numbered(client: MlflowClient, name: str, version: str) -> Registered | None:
    """The version of a model with this number, or None."""
    if not version.isdigit():
        return None
    found = client.search_model_versions(f"name = '{name}' and version_number = {version}")
    return _registered(found[0]) if found else None


def find_version(uri: str, name: str, version: str) -> tuple[MlflowClient, Registered]:
    """The version of a model with this number or alias, and a client of its registry.

    Raises:
        UnknownVersionError: the registry is not there, or has no such version.
    """
    if is_empty(uri):
        raise UnknownVersionError(
            f"{uri} is not there, so no version is registered; `make train SERVICE={name}` makes one, and MLFLOW=uri "
            "names the registry of others"
        )
    client = connect(uri)
    found = numbered(client, name, version) or aliased(client, name, version)
    if found is None:
        raise UnknownVersionError(f"version {version} of {name} is not in {uri}; `make ui` shows which there are")
    return client, found


def register_version(
    client: MlflowClient, name: str, package_uri: str, run_id: str, tags: Mapping[str, str]
) -> Registered:
    """Registers a version for a package, unless there is one; returns it.

    The newest version has the alias `challenger`; an older one that is registered again does not take it back.
    """
    known = version_of(client, name, tags[PACKAGE_TAG])
    if known is None:
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        known = _registered(client.create_model_version(name, package_uri, run_id, tags=dict(tags)))
    newest = max(int(version.version) for version in client.search_model_versions(f"name = '{name}'"))
    if int(known.version) == newest:
        client.set_registered_model_alias(name, CHALLENGER, known.version)
    return known


def _registered(version: ModelVersion) -> Registered:
    """The version in our terms.

    Raises:
        UnknownVersionError: it lacks a tag, so `make train` did not register it.
    """
    tags = version.tags
    missing = [name for name in (PACKAGE_TAG, SNAPSHOT_TAG, SNAPSHOT_URI_TAG) if name not in tags]
    if missing:
        raise UnknownVersionError(
            f"version {version.version} of {version.name} has no tag {missing[0]} in the registry, so its package and "
            "data are not known: `make train` did not register it. Take another version, and move an alias such as "
            "`champion` away from this one"
        )
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
    """The folder of a registered package on this machine, with every byte checked; `uri` is that of its registry.

    Raises:
        PackageError: the folder is not there, or does not hold the registered package.
    """
    place = urlparse(registered.package_uri)
    path = Path(unquote(place.path))
    if place.scheme not in {"", "file"}:
        _set_defaults()
        from mlflow.artifacts import download_artifacts

        # A server stores its artifacts itself, under addresses without a host.
        path = Path(download_artifacts(artifact_uri=registered.package_uri, tracking_uri=uri))
    if not path.is_dir():
        raise PackageError(
            f"{path}: is not there, and the registry names it as the package of version {registered.version}; bring "
            "the folder back, or train it again"
        )
    found = read_package(path).digest
    if found != registered.package:
        raise PackageError(f"{path}: holds {found}, but version {registered.version} is {registered.package}")
    return path
