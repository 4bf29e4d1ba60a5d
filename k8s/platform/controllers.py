"""The controllers that the platform needs, and the ones that a cluster lacks."""

from __future__ import annotations

import re
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
_RELEASE: Final = r"^\d+\.\d+\.\d+$"


class Chart(ClosedModel):
    """A Helm chart in a public repository."""

    repository: str = Field(pattern="^https://")
    name: str
    version: str = Field(pattern=_RELEASE, description="Pinned; never a range.")
    values: dict[str, Any] = Field(default_factory=dict)
    local_values: dict[str, Any] = Field(
        default_factory=dict, description="Override the values, only on a local cluster (ENV=local)."
    )


class FoundBy(ClosedModel):
    """Objects that show that a controller is installed; all of the named ones must exist."""

    crd: str | None = None
    bundle: str | None = Field(
        default=None, pattern=_RELEASE, description="The least version of the Gateway API's bundle."
    )
    deployment: str | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.crd or self.deployment):
            raise ValueError("name a crd or a deployment, or it would be installed each time")
        if self.bundle and not self.crd:
            raise ValueError("a bundle's version is known by a crd of it")
        return self


class Controller(ClosedModel):
    """A controller, and the source of its release."""

    name: str
    needed: bool
    local: bool = Field(default=True, description="Whether a local cluster (ENV=local) needs it, too.")
    found_by: FoundBy
    oldest: str | None = Field(
        default=None, pattern=_RELEASE, description="The oldest version from which an upgrade leads here in one step."
    )
    kubernetes: str | None = Field(
        default=None, pattern=_RELEASE, description="The least version of Kubernetes for which it is made."
    )
    namespace: str | None = Field(default=None, description="Namespace of a chart; created if missing.")
    manifests: tuple[str, ...] = ()
    local_patches: tuple[dict[str, Any], ...] = Field(
        default=(), description="Kustomize patches of the manifests, only for a local cluster (ENV=local)."
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

    @property
    def version(self) -> str:
        """The version that is installed: the chart's, or that in the address of the manifests."""
        if self.chart:
            return self.chart.version
        (found,) = set(re.findall(r"\d+\.\d+\.\d+", " ".join((*self.manifests, *self.kustomizations))))
        return str(found)


class _Controllers(ClosedModel):
    controllers: tuple[Controller, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Found:
    """The names that the API server returned.

    Attributes:
        releases: the newest state of each Helm release, by namespace/name.
        bundles: the version of the Gateway API that a CRD says it is of, by the CRD's name.
    """

    crds: frozenset[str]
    deployments: frozenset[str]
    releases: Mapping[str, str] = field(default_factory=dict)
    bundles: Mapping[str, str] = field(default_factory=dict)

    def wreck(self, controller: Controller) -> str:
        """The state in which an installation of the controller broke off; empty if none did."""
        state = self.releases.get(f"{controller.namespace}/{controller.name}", _DEPLOYED)
        return "" if state == _DEPLOYED else state


def read_controllers(path: Path = FILE) -> tuple[Controller, ...]:
    """The controllers in the order of their installation.

    Raises:
        EnvironmentFileError: the file is wrong; the message names every fault.
    """
    return read_file(_Controllers, path).controllers


def missing(
    controllers: Iterable[Controller], found: Found, asked: Collection[str], *, local: bool = False
) -> Iterator[Controller]:
    """The missing ones among the controllers that are needed, of a `local` cluster or another, or requested by name.

    Raises:
        EnvironmentFileError: a requested name is not known.
    """
    known = tuple(controllers)
    names = [controller.name for controller in known]
    if unknown := sorted(set(asked) - set(names)):
        raise EnvironmentFileError(f"there is no controller {unknown[0]!r}; there are {', '.join(names)}")
    for controller in known:
        needed = controller.needed and (controller.local or not local)
        if (needed or controller.name in asked) and not is_there(controller, found):
            yield controller


def is_there(controller: Controller, found: Found) -> bool:
    """True if everything that shows the controller was found, and no broken-off installation left it there."""
    by = controller.found_by
    return (
        not found.wreck(controller)
        and (by.crd is None or by.crd in found.crds)
        and (by.bundle is None or version_key(found.bundles.get(by.crd or "", "")) >= version_key(by.bundle))
        and (by.deployment is None or _runs(by.deployment, found))
    )


def told(controller: Controller, found: Found) -> str:
    """What a sentence says of a controller that is not there: it broke off, is missing, or is another version."""
    if wreck := found.wreck(controller):
        return f"its release is {wreck}"
    by = controller.found_by
    group = (by.crd or "").partition(".")[2]
    older = sorted({version for name, version in found.bundles.items() if name.partition(".")[2] == group})
    if by.bundle is None or not older:
        return "is missing"
    without = "" if by.crd in found.crds else f" without {by.crd}"
    return f"{', '.join(older)} is there{without}, and {by.bundle} or later is needed"


def version_key(text: str) -> tuple[int, ...]:
    """A version such as v1.6.3 to compare; what names none is older than any."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def _runs(name: str, found: Found) -> bool:
    """True if the deployment exists, by its name or by a cloud add-on's versioned name."""
    return any(one == name or one.startswith(f"{name}-v") for one in found.deployments)
