"""The BentoML service, loaded by `bentoml serve` in its supervisor and in each worker.

BentoML builds, locks, supervises and containerises. `ModelApp` answers requests and
wraps BentoML's own application, whose middlewares time, trace and log each request
at several times the cost of a prediction.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import bentoml

from components.errors import PackageError
from services.model_server.assembly import Server, die_with_parent, slot_bytes
from services.model_server.errors import SettingsError
from services.model_server.faults import planned_faults
from services.model_server.settings import BUILDING_VARIABLE, Settings, read_settings
from services.model_server.shared import is_offered, offer
from services.model_server.verified_package import verified_package

#: In a bento the package lies beside the code.
_BAKED_IN = Path(__file__).resolve().parents[2] / "package"


def _prepare() -> Settings:
    """Reads the settings; a supervisor also checks the package and creates the memory that its workers share."""
    try:
        settings = read_settings(os.environ, _BAKED_IN)
        # `bentoml build` loads this file, and the server's image is built without a package.
        if not is_offered(os.environ) and BUILDING_VARIABLE not in os.environ:
            contract = verified_package(settings).contract
            planned_faults(settings, contract, random.Random())  # noqa: S311 -- only checks that they can be planned
            offer(os.environ, settings.workers, slot_bytes(settings, contract))
            if settings.die_with_parent:
                die_with_parent()
    except (PackageError, SettingsError) as error:
        raise SystemExit(f"model server: {error}") from error
    return settings


_settings = _prepare()


class _Service(bentoml.Service[Any]):  # type: ignore[misc]
    """A service with our application; BentoML's own handles everything that is not HTTP."""

    def to_asgi(self, is_main: bool = True) -> Any:
        """The application of one worker."""
        die_with_parent()
        return Server(_settings, os.environ).inside(super().to_asgi(is_main))


@bentoml.service(
    name="model_server",
    service_class=_Service,
    workers=_settings.workers,
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class ModelServer:
    """The model server."""
