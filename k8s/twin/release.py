"""The environment file: which package of a service runs, under which version and settings."""

from __future__ import annotations

import difflib
import hashlib
from typing import TypeVar

import yaml
from pydantic import Field, ValidationError, field_validator

from components.contract import Closed
from components.package import Digest
from components.strict_yaml import load_yaml
from k8s.twin.errors import ReleaseError
from services.model_server.settings import PREFIX, Settings

#: What the twin itself tells a server; a commit must not.
OWN_SETTINGS = ("CANARIO_PACKAGE", "CANARIO_SERVICE", "CANARIO_VERSION", "CANARIO_PEERS", "CANARIO_LOG_DIR")
ALLOWED_SETTINGS = tuple(sorted({PREFIX + name.upper() for name in Settings.model_fields} - {*OWN_SETTINGS}))


class Release(Closed):
    """`k8s/envs/<env>/<service>.yaml`."""

    service: str = Field(min_length=1)
    version: str = Field(pattern=r"^[\w.:-]{1,64}$", description="The model's version; every release has its own.")
    package: Digest = Field(description="The model package's digest.")
    settings: dict[str, str] = Field(default_factory=dict, description="More settings of the server.")

    @field_validator("settings")
    @classmethod
    def _known(cls, settings: dict[str, str]) -> dict[str, str]:
        """A name that the server does not read would be a setting that silently does nothing."""
        for name in settings:
            if name in OWN_SETTINGS:
                raise ValueError(f"{name} is set from the release itself; remove it")
            if name not in ALLOWED_SETTINGS:
                close = difflib.get_close_matches(name, ALLOWED_SETTINGS, n=1)
                hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(ALLOWED_SETTINGS)}"
                raise ValueError(f"{name} is no setting of the server; {hint}")
        return settings

    @property
    def checksum(self) -> str:
        """Tells one release from another, as Flagger's checksum does."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def release_file(environment: str, service: str) -> str:
    """Where in the repository a service's release stands."""
    return f"k8s/envs/{environment}/{service}.yaml"


def release_text(release: Release) -> str:
    """The release as its file holds it."""
    return yaml.safe_dump(release.model_dump(), sort_keys=False, allow_unicode=True)


AnyRelease = TypeVar("AnyRelease", bound=Release)


def parse_release(text: str, name: str, service: str) -> Release:
    """The release in a file's text; `name` says in messages where it came from.

    Raises:
        ReleaseError: it is not one of this service; every fault is named.
    """
    return parse_release_as(Release, text, name, service)


def parse_release_as(kind: type[AnyRelease], text: str, name: str, service: str) -> AnyRelease:
    """The same for a release that holds more, such as a cluster's.

    Raises:
        ReleaseError: it is not one of this service; every fault is named.
    """
    keys = ", ".join(kind.model_fields)
    try:
        document = load_yaml(text)
    except ValueError as error:
        raise ReleaseError(f"{name}: {error}") from error
    if not isinstance(document, dict):
        raise ReleaseError(f"{name}: a release is a mapping with the keys {keys}")
    try:
        release = kind.model_validate(document)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise ReleaseError("\n".join(f"{name}: {_fault(fault, keys)}" for fault in faults)) from error
    if release.service != service:
        raise ReleaseError(f"{name}: service: {release.service!r} is another service; this one is {service!r}")
    return release


def _fault(fault: object, keys: str) -> str:
    assert isinstance(fault, dict)  # noqa: S101 -- pydantic's own shape
    place = ".".join(str(part) for part in fault["loc"]) or "release"
    if fault["type"] == "extra_forbidden":
        return f"{place}: unknown key; allowed: {keys}"
    given = "" if fault["type"] == "missing" else f" (given: {fault['input']!r})"
    return f"{place}: {fault['msg'].removeprefix('Value error, ')}{given}"
