"""What a cluster has of the platform: read, never guessed, and changed by nothing here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from k8s.cluster.kubectl import get_json, is_there, kubectl
from k8s.cluster.program import run
from k8s.platform.controllers import Controller, Found
from k8s.platform.installing import found_in_cluster

_LABEL: Final = "app.kubernetes.io/version"
_DEFINITIONS: Final = (
    'jsonpath={range .items[*]}{.metadata.name} {.metadata.labels.app\\.kubernetes\\.io/version}{"\\n"}{end}'
)
_IN_GIT: Final = "helmreleases.helm.toolkit.fluxcd.io"


@dataclass(frozen=True)
class HelmRelease:
    """A release that Helm keeps; `chart` and `version` are the chart's."""

    name: str
    namespace: str
    chart: str
    version: str
    revision: str
    state: str

    @property
    def place(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Inventory:
    """What is there.

    Attributes:
        kubernetes: the server's version, such as v1.35.1.
        found: definitions, deployments, and the state of releases.
        labels: the version that a definition or a deployment says it is of, by its name.
        releases: Helm's, by namespace/name.
        in_git: the releases that Flux makes of a HelmRelease, by namespace/name.
    """

    kubernetes: str
    found: Found
    labels: Mapping[str, str] = field(default_factory=dict)
    releases: Mapping[str, HelmRelease] = field(default_factory=dict)
    in_git: frozenset[str] = frozenset()

    def release_of(self, controller: Controller) -> HelmRelease | None:
        """The release by which `make platform` installed a controller's chart."""
        there = self.releases.get(f"{controller.namespace}/{controller.name}")
        return there if there and controller.chart and there.chart == controller.chart.name else None

    def version_of(self, controller: Controller) -> str:
        """The version of a controller that is there; empty if nothing says it."""
        release, by = self.release_of(controller), controller.found_by
        said = (
            self.found.bundles.get(by.crd or "")
            or self.labels.get(by.crd or "")
            or self.labels.get(by.deployment or "")
        )
        return (release.version if release else said or "").removeprefix("v")


def read_inventory() -> Inventory:
    """Asks the cluster and Helm.

    Raises:
        DeployError: one of them does not answer.
    """
    version = json.loads(kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
    lines = kubectl("get", "crds", "-o", _DEFINITIONS).splitlines()
    labels = {name: said[0] for name, *said in (line.split() for line in lines if line.strip()) if said}
    for one in get_json("get", "deployments", "-A")["items"]:
        if said := _version(one):
            labels.setdefault(one["metadata"]["name"], said)
    listed = json.loads(run(["helm", "list", "--all-namespaces", "--output", "json"]))
    releases = {one.place: one for one in map(_release, listed)}
    return Inventory(version, found_in_cluster(), labels, releases, _in_git())


def _version(deployment: Mapping[str, Any]) -> str:
    """The version by the label, or by the tag of the first image."""
    label = deployment["metadata"].get("labels", {}).get(_LABEL)
    image = str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return str(label or tag)


def _release(listed: Mapping[str, str]) -> HelmRelease:
    chart, _, version = listed["chart"].rpartition("-")
    place = (listed["name"], listed["namespace"])
    return HelmRelease(*place, chart, version, str(listed["revision"]), listed["status"])


def _in_git() -> frozenset[str]:
    if not is_there("get", "crd", _IN_GIT):
        return frozenset()
    listed = get_json("get", _IN_GIT, "-A")["items"]
    return frozenset(f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in listed)
