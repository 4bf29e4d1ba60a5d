"""What a cluster needs under the platform, and which of it is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, model_validator

from components.spec.contract import ClosedModel
from k8s.errors import EnvironmentFileError
from k8s.rendering.yaml_file import read_file

FILE = Path(__file__).resolve().parents[1] / "controllers" / "controllers.yaml"
_DEPLOYED: Final = "deployed"


class Chart(ClosedModel):
    """A Helm chart in a public repository."""

    repository: str = Field(pattern="^https://")
    name: str
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$", description="Pinned; never a range.")
    values: dict[str, Any] = Field(default_factory=dict)
    local_values: dict[str, Any] = Field(
        default_factory=dict, description="Over the values, on a cluster of one's own (ENV=local) alone."
    )


class FoundBy(ClosedModel):
    """What shows that a controller is there; all that is named must be."""

    crd: str | None = None
    deployment: str | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.crd or self.deployment):
            raise ValueError("name a crd or a deployment, or it would be installed each time")
        return self


class Controller(ClosedModel):
    """One of them, and where its release is."""

    name: str
    needed: bool
    found_by: FoundBy
    namespace: str | None = Field(default=None, description="Of a chart; made when it is not there.")
    manifests: tuple[str, ...] = ()
    local_patches: tuple[dict[str, Any], ...] = Field(
        default=(), description="Kustomize's patches of the manifests, for a cluster of one's own (ENV=local) alone."
    )
    kustomizations: tuple[str, ...] = ()
    chart: Chart | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(map(bool, (self.manifests, self.kustomizations, self.chart))) != 1:
            raise ValueError("give manifests, kustomizations or a chart, and one of them only")
        if bool(self.chart) != bool(self.namespace):
            raise ValueError("a chart goes into a namespace, and manifests bring their own")
        if self.local_patches and not self.manifests:
            raise ValueError("local_patches are of manifests; a chart has local_values")
        return self


class _Controllers(ClosedModel):
    controllers: tuple[Controller, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Found:
    """The names that the API server gave.

    Attributes:
        releases: the newest state of each release of Helm's, by namespace/name.
    """

    crds: frozenset[str]
    deployments: frozenset[str]
    releases: Mapping[str, str] = field(default_factory=dict)

    def wreck(self, controller: Controller) -> str:
        """In which state an installation of it came to an end before its time; empty where none did."""
        state = self.releases.get(f"{controller.namespace}/{controller.name}", _DEPLOYED)
        return "" if state == _DEPLOYED else state


def read_controllers(path: Path = FILE) -> tuple[Controller, ...]:
    """The controllers in the order of their installation.

    Raises:
        EnvironmentFileError: the file is wrong; every fault is named.
    """
    return read_file(_Controllers, path).controllers


def missing(controllers: Iterable[Controller], found: Found, asked: Collection[str]) -> Iterator[Controller]:
    """Those that are needed or asked for by name, and not there.

    Raises:
        EnvironmentFileError: one is asked for that is not known.
    """
    known = tuple(controllers)
    names = [controller.name for controller in known]
    if unknown := sorted(set(asked) - set(names)):
        raise EnvironmentFileError(f"there is no controller {unknown[0]!r}; there are {', '.join(names)}")
    for controller in known:
        if (controller.needed or controller.name in asked) and not is_there(controller, found):
            yield controller


def is_there(controller: Controller, found: Found) -> bool:
    """Whether all that shows it was found, and is not what an installation left that came to no end."""
    by = controller.found_by
    return (
        not found.wreck(controller)
        and (by.crd is None or by.crd in found.crds)
        and (by.deployment is None or _runs(by.deployment, found))
    )


def _runs(name: str, found: Found) -> bool:
    """Whether a deployment is there, also by the name with its version that a cloud's own add-on has."""
    return any(one == name or one.startswith(f"{name}-v") for one in found.deployments)
