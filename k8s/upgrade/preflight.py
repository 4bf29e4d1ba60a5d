"""Reads what is there and says what would change, before anything does; refuses what cannot go well."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from components.jobs.node_pools import LABELS
from k8s.alerts.prerequisites import check_operator, check_secret
from k8s.cluster.gateway import read_gateway
from k8s.cluster.helm import CHART as SERVICE_CHART
from k8s.cluster.kubectl import apply_dry, get_json, is_there, kubectl
from k8s.cluster.program import run
from k8s.errors import ClusterError
from k8s.platform.address import check_followed, check_reverted
from k8s.platform.chart import CHART, configs, images_of, rendered
from k8s.platform.controllers import Controller, read_controllers, version_key
from k8s.platform.gateway import require_certificate
from k8s.platform.install import Installation
from k8s.platform.installing import obstacles_to, pending_advice
from k8s.platform.tracking import Tracking, require_secret, stored, tracking
from k8s.rendering.environment_registry import REGISTRY
from k8s.rendering.gateway import OURS
from k8s.rendering.platform_values import PLATFORM
from k8s.upgrade.controllers import UPGRADE, ControllerPlan, Names, plan_controllers, refusals
from k8s.upgrade.inventory import HelmRelease, Inventory, read_inventory
from k8s.upgrade.objects import ObjectChanges, compare, object_name
from k8s.upgrade.serving import ServingPods, phases, rollouts_under_way, serving

#: The label of pools of nodes before it was one of our own.
_OLD_POOL: Final = "node.kubernetes.io/pool"
_FLUX: Final = "kustomizations.kustomize.toolkit.fluxcd.io"
#: Namespaces that earlier versions made, and that nothing uses now.
_FORMER: Final = ("training",)


@dataclass(frozen=True)
class UpgradeRequest:
    """What a person says of an upgrade.

    Attributes:
        skipped: controllers that somebody else keeps.
        backup: the id of a backup of a cloud's database, which MLflow uses.
        redirect: whether callers in plain HTTP may be sent to HTTPS now.
    """

    skipped: tuple[str, ...] = ()
    backup: str = ""
    redirect: bool = False


@dataclass(frozen=True)
class UpgradePlan:
    """What is there, and what becomes of it; `good` is the last revision of the chart that came to its end, if any."""

    inventory: Inventory
    release: HelmRelease
    good: str
    controllers: tuple[ControllerPlan, ...]
    changes: ObjectChanges
    tracking: Tracking
    serving: dict[str, ServingPods]
    phases: dict[str, str]
    notes: tuple[str, ...]

    @property
    def changes_something(self) -> bool:
        """Whether the chart or a controller changes."""
        return not self.changes.is_empty or any(one.changes for one in self.controllers)

    def lines(self) -> Iterator[str]:
        """The plan, for a person."""
        yield f"kubernetes: {self.inventory.kubernetes}"
        for one in self.controllers:
            yield f"{one.controller.name}: {one.says}"
        here, there = chart_version(CHART), self.release
        same = (there.version, there.state) == (here, "deployed") and self.changes.is_empty
        yield f"chart {PLATFORM}: {there.version} ({there.state}){', as it should be' if same else f' becomes {here}'}"
        yield from (f"  {line}" for line in self.changes.lines())
        for place, pods in self.serving.items():
            yield f"{place}: {len(pods.restarts)} pods serve, and are not touched"
        yield from (f"note: {line}" for line in self.notes)


def chart_version(chart: Path) -> str:
    """The version of a chart of this tree."""
    return str(yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))["version"])


def examine(wanted: Installation, asked: UpgradeRequest) -> UpgradePlan:
    """What an upgrade of an environment's cluster would do.

    Raises:
        DeployError: it cannot go well; names every reason that is known, and nothing was changed.
    """
    objects = rendered(wanted.environment, wanted.given, wanted.root)
    _check_environment(wanted, objects)
    there = read_inventory()
    release = there.releases.get(f"{PLATFORM}/{PLATFORM}")
    if release is None and not wanted.is_followed:
        raise ClusterError(f"there is no release {PLATFORM} in namespace {PLATFORM}; `make platform` installs it")
    release = release or HelmRelease(PLATFORM, PLATFORM, PLATFORM, "", "", "comes from Git")
    names = Names(frozenset(wanted.controllers), frozenset(asked.skipped), wanted.environment == "local")
    plans = plan_controllers(read_controllers(), there, _values, names)
    running = serving()
    faults = [
        *rollouts_under_way(),
        *refusals(plans, there),
        *_definition_faults(plans, local=wanted.environment == "local"),
        *_release_faults(release, there),
        *_gateway_faults(wanted, asked, running),
        *_admission_faults(wanted),
    ]
    needed = tracking(objects)
    if needed.secret and not needed.stores and not asked.backup:
        faults.append(
            "MLflow's database is not in the cluster, so no backup is taken here; take one there (terraform/README.md "
            "says how), and name it: BACKUP=id"
        )
    before, after = _objects_there(wanted, release), _objects_wanted(wanted, needed)
    changes = compare(before, after, PLATFORM)
    faults += _immovable(changes, after)
    if faults:
        raise ClusterError("\n".join(["nothing was changed:", *(f"- {fault}" for fault in faults)]))
    notes = tuple(_notes(there))
    return UpgradePlan(there, release, _good(release), tuple(plans), changes, needed, running, phases(), notes)


def with_flux(wanted: Installation) -> Installation:
    """The installation, which Flux makes from Git where it is in the cluster and follows the environment.

    Raises:
        ClusterError: the cluster is not reached.
    """
    if (wanted.files / "flux").is_dir() and "flux" not in wanted.controllers and is_there("get", "crd", _FLUX):
        return replace(wanted, controllers=(*wanted.controllers, "flux"))
    return wanted


def _check_environment(wanted: Installation, objects: list[dict[str, Any]]) -> None:
    """What `make platform` would refuse, it refuses now."""
    if wanted.is_followed:
        check_followed(wanted.root, wanted.environment)
    plan = wanted.gateway()
    check_reverted(objects, wanted.environment)
    configs(wanted.environment, wanted.root)
    require_secret(tracking(objects), PLATFORM)
    check_operator(plan.platform.alerts, wanted.platform_file)
    check_secret(plan.platform.alerts, PLATFORM)
    require_certificate(plan)


def _definition_faults(plans: Iterable[ControllerPlan], *, local: bool) -> Iterator[str]:
    for plan in plans:
        if plan.action == UPGRADE:
            yield from obstacles_to(plan.controller, local=local)


def _values(controller: Controller) -> dict[str, Any]:
    place = ["--namespace", str(controller.namespace)]
    found: dict[str, Any] | None = json.loads(
        run(["helm", "get", "values", controller.name, *place, "--output", "json"])
    )
    return found or {}


def _good(release: HelmRelease) -> str:
    """The revision to which one would go back; a release that broke off is not one."""
    if release.state == "deployed":
        return release.revision
    if not release.revision:
        return ""
    history = json.loads(run(["helm", "history", PLATFORM, "--namespace", release.namespace, "--output", "json"]))
    ended = [one["revision"] for one in history if one["status"] in ("deployed", "superseded")]
    return str(max(ended, default=""))


def _release_faults(release: HelmRelease, there: Inventory) -> Iterator[str]:
    state, here = there.found.releases.get(release.place, release.state), chart_version(CHART)
    if state.startswith("pending-"):
        yield pending_advice(PLATFORM, PLATFORM, state)
    if version_key(release.version) > version_key(here):
        yield f"{PLATFORM}: its chart is {release.version}, newer than {here} of this tree; take a newer tree"


def _gateway_faults(wanted: Installation, asked: UpgradeRequest, running: dict[str, ServingPods]) -> Iterator[str]:
    plan = wanted.gateway()
    if plan.platform.has_own_gateway or plan.settings.serves_http or asked.redirect or not running:
        return
    gateway = read_gateway(OURS.namespace, OURS.name)
    served = [one for one in gateway.get("spec", {}).get("listeners", ()) if one["protocol"] == "HTTP"]
    if any(one.get("allowedRoutes", {}).get("namespaces", {}).get("from") == "All" for one in served):
        yield (
            f"gateway: callers reach {', '.join(running)} in plain HTTP, and would be sent to HTTPS from now on; serve "
            f"both until they have moved (`gateway: {{http: served}}` in {wanted.platform_file}), or say REDIRECT=1"
        )


def _admission_faults(wanted: Installation) -> Iterator[str]:
    """A registry that was let in must not be shut out unsaid, and what runs must be let in when it starts again."""
    if wanted.is_followed:
        return
    there = get_json("get", "namespace", "models", "--ignore-not-found").get("metadata", {}).get("annotations", {})
    folder = configs(wanted.environment, wanted.root)
    objects = yaml.safe_load_all(kubectl("kustomize", str(folder)))
    ours: dict[str, str] = next((one["metadata"]["annotations"] for one in objects if _is_models(one)), {})
    now, then = there.get(REGISTRY), ours.get(REGISTRY)
    if now and now != then and not wanted.admitted:
        place = f"k8s/envs/{wanted.environment}"
        yield f"models lets in images of {now}, and {place} says {then}; say ADMIT={now}, or ADMIT={then}"
        return
    admitted = wanted.admitted or then
    if foreign := sorted(image for image in _running("models") if not image.startswith(f"{admitted}/")):
        yield (
            f"models: pods run {', '.join(foreign)}, and only images of {admitted} would be let in, so that none "
            "of them would start again; release them from there first, or admit their registry"
        )


def _running(namespace: str) -> set[str]:
    """The images of the pods of a namespace that have not ended."""
    pods = get_json("-n", namespace, "get", "pods", "--field-selector=status.phase!=Succeeded,status.phase!=Failed")
    return {image for one in pods["items"] for image in images_of(one["spec"])}


def _is_models(one: dict[str, Any]) -> bool:
    return bool(one["kind"] == "Namespace" and one["metadata"]["name"] == "models")


def _objects_there(wanted: Installation, release: HelmRelease) -> list[dict[str, Any]]:
    if wanted.is_followed:
        return []
    text = run(["helm", "get", "manifest", PLATFORM, "--namespace", release.namespace])
    return [one for one in yaml.safe_load_all(text) if one]


def _objects_wanted(wanted: Installation, needed: Tracking) -> list[dict[str, Any]]:
    if wanted.is_followed:
        return []
    settings = [word for setting in stored(needed, PLATFORM, _unsaid) for word in ("--set", setting)]
    return rendered(wanted.environment, [*settings, *wanted.given], wanted.root)


def _unsaid(_: str) -> None:
    """The installation itself says it."""


def _immovable(changes: ObjectChanges, after: list[dict[str, Any]]) -> Iterator[str]:
    """What the API server would not let change, in its own words; asked without a change."""
    for one in after:
        name = object_name(one, PLATFORM)
        if name not in changes.changed:
            continue
        try:
            apply_dry(one["metadata"].get("namespace", PLATFORM), one)
        except ClusterError as error:
            yield f"{name}: the API server refuses the change: {error}"


def _notes(there: Inventory) -> Iterator[str]:
    here = chart_version(SERVICE_CHART)
    for release in there.releases.values():
        if release.chart == SERVICE_CHART.name and release.version != here:
            yield (
                f"{release.place}: is served by chart {release.chart} {release.version}; its next `make deploy` brings "
                f"{here}, by a canary even of the same version"
            )
    for name in _FORMER:
        if is_there("get", "namespace", name):
            yield f"namespace {name}: is no part of the platform any more, and is left as it is"
    label = LABELS["canario"].pool
    old = get_json("get", "nodes", "--selector", f"{_OLD_POOL},!{label}")["items"]
    for node in old:
        name, pool = node["metadata"]["name"], node["metadata"]["labels"][_OLD_POOL]
        command = f"kubectl label node {name} {label}={pool}"
        yield f"node {name}: releases look for {label} now; `{command}` before the next one"
