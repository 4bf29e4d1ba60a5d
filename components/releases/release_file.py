"""The release file `k8s/envs/<env>/<service>.yaml`, which names the version to run, on the twin or in a cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from components.digest import Digest
from components.errors import ReleaseError
from components.spec.contract import ClosedModel
from components.spec.reading.strict_yaml import load_yaml

#: Settings that the platform itself gives the server; a release must not contain them.
OWN_SETTINGS = (
    *("CANARIO_PACKAGE", "CANARIO_PUBLIC_KEY", "CANARIO_SERVICE", "CANARIO_VERSION", "CANARIO_PEERS"),
    *("CANARIO_LOG_DIR", "CANARIO_LABEL_SLOT_SECONDS"),
)
#: The prefix of more such settings: the spec decides about shadows.
OWN_PREFIX = "CANARIO_SHADOW_"
_VERSION = r"^[A-Za-z0-9_.:-]{1,64}$"


class Image(ClosedModel):
    """A container image; the digest wins when it is set."""

    repository: str = Field(pattern=r"^[a-z0-9][a-z0-9._:/-]*$", description="Registry and name, without the tag.")
    tag: str = Field(default="", pattern=r"^[\w.-]{0,128}$", description="Tag that never moves.")
    digest: Literal[""] | Digest = Field(default="", description="Digest of the image; wins over the tag.")


def _not_the_platforms(settings: dict[str, str]) -> dict[str, str]:
    for name in settings:
        if is_own(name):
            raise ValueError(f"{name} is set from the release itself or the spec; remove it")
    return settings


#: Settings of a server in addition to the platform's own.
ServerSettings = Annotated[dict[str, str], AfterValidator(_not_the_platforms)]


class ShadowVersion(ClosedModel):
    """The version that answers in the shadow of the serving version."""

    version: str = Field(pattern=_VERSION, description="The candidate's version number.")
    package: Digest = Field(description="Digest of the candidate's model package.")
    image: Image = Field(description="The candidate's image.")
    settings: ServerSettings = Field(default_factory=dict, description="Additional settings of the candidate's server.")


class Release(ClosedModel):
    """The version of a service to run."""

    service: str = Field(min_length=1)
    version: str = Field(pattern=_VERSION, description="The model's version, different for each release.")
    package: Digest = Field(description="The model package's digest.")
    settings: ServerSettings = Field(default_factory=dict, description="Additional settings of the server.")
    image: Image | None = Field(default=None, description="The image with the package; needed in a cluster.")
    candidate: ShadowVersion | None = Field(default=None, description="With strategy shadow, the version on trial.")

    @classmethod
    def read(cls, document: Mapping[str, Any], name: str) -> Self:
        """The release in a document; messages call the document `name`.

        Raises:
            ReleaseError: it is not a release; names every fault.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            raise ReleaseError("\n".join(f"{name}: {_fault(fault)}" for fault in faults)) from error

    @property
    def checksum(self) -> str:
        """A hash that identifies this release, like Flagger's checksum."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def is_own(setting: str) -> bool:
    """True if a setting is the platform's own, so that no release may contain it."""
    return setting in OWN_SETTINGS or setting.startswith(OWN_PREFIX)


@dataclass(frozen=True)
class NamedRelease:
    """The version and package that a release file names; each is empty if the file does not name it."""

    version: str
    package: str


def environment_folder(environment: str) -> str:
    """The folder of an environment's files in the repository."""
    return f"k8s/envs/{environment}"


def release_file(environment: str, service: str) -> str:
    """The path of a service's release file in the repository."""
    return f"{environment_folder(environment)}/{service}.yaml"


def release_text(release: Release) -> str:
    """The text of a release's file."""
    return yaml.safe_dump(release.model_dump(exclude_none=True), sort_keys=False, allow_unicode=True)


def parse_release(text: str, name: str, service: str) -> Release:
    """The release in a file's text; messages call the file `name`.

    Raises:
        ReleaseError: it is not a release of this service; names every fault.
    """
    try:
        document = load_yaml(text)
    except ValueError as error:
        raise ReleaseError(f"{name}: {error}") from error
    if not isinstance(document, dict):
        raise ReleaseError(f"{name}: a release is a mapping with the keys {', '.join(Release.model_fields)}")
    release = Release.read(document, name)
    if release.service != service:
        raise ReleaseError(f"{name}: service: {release.service!r} is another service; this one is {service!r}")
    return release


def named_release(text: str, name: str) -> NamedRelease:
    """The version and package in a file's text, whatever else it contains.

    The history contains files by older and newer programs, which `parse_release` may refuse.

    Raises:
        ReleaseError: it is not YAML.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ReleaseError(f"{name}: is not YAML: {error}") from error
    found = document if isinstance(document, dict) else {}
    version, package = (found.get(key) for key in ("version", "package"))
    return NamedRelease("" if version is None else str(version), "" if package is None else str(package))


def _fault(fault: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in fault["loc"]) or "release"
    if fault["type"] == "extra_forbidden":
        return f"{place}: unknown key; allowed: {', '.join(_allowed(fault['loc'][:-1]))}"
    given = "" if fault["type"] == "missing" else f" (given: {fault['input']!r})"
    return f"{place}: {fault['msg'].removeprefix('Value error, ')}{given}"


def _allowed(place: tuple[int | str, ...]) -> list[str]:
    """The keys allowed at a place in the file."""
    kinds: dict[tuple[int | str, ...], type[BaseModel]] = {(): Release, ("candidate",): ShadowVersion}
    return list(kinds.get(place, Image).model_fields)
