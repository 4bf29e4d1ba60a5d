"""The values of the platform's own chart in an environment: in which files they stand, and which of them decides."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from components.releases.release_file import environment_folder
from components.spec.reading.strict_yaml import load_yaml
from k8s.errors import EnvironmentFileError
from k8s.rendering.environment_files import read_platform
from k8s.rendering.gateway import names

#: The platform's own chart, its release and its namespace.
PLATFORM: Final = "canario"
#: What decides the values of the platform's chart that `canario.yaml` cannot, by the part that they stand in.
_DECIDED_BY: Final = {
    "alertmanager": "the key alerts of platform.yaml beside it",
    "monitoring": "the key alerts of platform.yaml beside it",
    "gateway": "the keys gateway and domain of platform.yaml beside it",
    "environment": "the folder in which it stands",
}


def platform_differences(root: Path, environment: str) -> Path:
    """The file with an environment's own values of the chart; it may be missing."""
    return root / environment_folder(environment) / f"{PLATFORM}.yaml"


def platform_images(folder: Path) -> Path:
    """The file with the digests of the platform's images in an environment's folder; it may be missing."""
    return folder / "images.yaml"


def platform_settings(root: Path, environment: str) -> list[str]:
    """Helm's arguments for the values that the environment's platform.yaml and its folder decide.

    Raises:
        EnvironmentFileError: platform.yaml is not there, or wrong; or canario.yaml sets one of these values, too.
    """
    platform = read_platform(root / environment_folder(environment) / "platform.yaml")
    watched = platform.gateway.has_tls and not platform.has_own_gateway
    certificate = names(platform.domain)[0] if watched else ""
    decided = {**platform.alerts.platform_values(), "gateway.certificateFor": certificate}
    decided["environment.path"] = environment_folder(environment)
    _check_undecided(platform_differences(root, environment), decided)
    return [part for key, value in decided.items() for part in ("--set-json", f"{key}={json.dumps(value)}")]


def _check_undecided(file: Path, decided: Iterable[str]) -> None:
    """Refuses a value in canario.yaml that another file decides: Helm would take that one without a word."""
    values = load_yaml(file.read_text(encoding="utf-8")) if file.is_file() else None
    for key in decided:
        part, _, name = key.partition(".")
        inside = values.get(part) if isinstance(values, dict) else None
        if isinstance(inside, dict) and name in inside:
            raise EnvironmentFileError(f"{file}: {key} is decided by {_DECIDED_BY[part]}; remove it")
