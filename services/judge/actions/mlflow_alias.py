"""The judge's client of MLflow's registry: makes the serving version the champion.

It uses the REST API (mlflow.org/docs/latest/rest-api.html); the MLflow package would be most of the judge's image.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from components.spec.contract import CHAMPION, PACKAGE_TAG
from services.judge.actions import rest
from services.judge.errors import RegistryError, UnregisteredError

_API = "/api/2.0/mlflow"
_NOT_FOUND = 404


class Registry:
    """An MLflow server."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    async def promote(self, name: str, version: str, package: str) -> bool:
        """Moves the alias `champion` to a version; False if the version had the alias already.

        Raises:
            UnregisteredError: the version does not exist, or has another package.
            RegistryError: MLflow cannot be reached, or refuses.
        """
        return await asyncio.to_thread(self._promote, name, version, package)

    def _promote(self, name: str, version: str, package: str) -> bool:
        document = self._call("GET", f"/model-versions/get?{urlencode({'name': name, 'version': version})}")
        tags = {tag["key"]: tag["value"] for tag in document["model_version"].get("tags") or []}
        if tags.get(PACKAGE_TAG) != package:
            held = tags.get(PACKAGE_TAG, "no package")
            raise UnregisteredError(f"{self.url}: version {version} of {name} is {held} there, and {package} serves")
        model = self._call("GET", f"/registered-models/get?{urlencode({'name': name})}")["registered_model"]
        aliases = {entry["alias"]: str(entry["version"]) for entry in model.get("aliases") or []}
        if aliases.get(CHAMPION) == version:
            return False
        self._call("POST", "/registered-models/alias", {"name": name, "alias": CHAMPION, "version": version})
        return True

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            status, document = rest.call(method, f"{self.url}{_API}{path}", body)
        except rest.FAULTS as error:
            raise RegistryError(f"{self.url}: MLflow cannot be asked: {error}") from error
        if status >= 300:
            kind = UnregisteredError if status == _NOT_FOUND else RegistryError
            raise kind(f"{self.url}: MLflow says {status}: {document.get('message', '')}")
        return document
