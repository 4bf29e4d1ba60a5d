"""Carries an upgrade out: definitions first, then controllers, then the chart; models go on serving all the while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from components.registry.contents import differences, told
from k8s.backup.backup import Place, read_registry, take_backup
from k8s.cluster.helm import KEEP, RESOURCE_POLICY
from k8s.cluster.kubectl import get_json, kubectl
from k8s.errors import ClusterError
from k8s.platform.chart import CHART
from k8s.platform.install import Installation, install
from k8s.platform.installing import bring_controller, bring_definitions
from k8s.rendering.gateway import OURS
from k8s.rendering.platform_values import PLATFORM
from k8s.upgrade.controllers import UPGRADE, VALUES
from k8s.upgrade.preflight import UpgradePlan, UpgradeRequest, chart_version
from k8s.upgrade.serving import phases, restarted, serving, silence

Say = Callable[[str], None]


def upgrade(wanted: Installation, asked: UpgradeRequest, plan: UpgradePlan, say: Say) -> Iterator[str]:
    """Carries a plan out and looks whether all is well; may be broken off anywhere, and begun again.

    Yields a warning for each reason why nobody would hear of an alert.

    Raises:
        DeployError: a step failed, or something is not as it was; says how to go back.
    """
    place = Place(wanted.environment, PLATFORM)
    registry = _saved(place, wanted, asked, plan, say)
    _keep_gateway(say)
    for one in plan.controllers:
        if one.action == UPGRADE:
            bring_definitions(one.controller)
    for one in plan.controllers:
        if one.action in (UPGRADE, VALUES):
            say(f"{one.controller.name}: {one.says}")
            bring_controller(one.controller, local=wanted.environment == "local")
    warnings = list(install(wanted, say))
    _check(place, plan, registry, say)
    if plan.good and (not plan.changes.is_empty or plan.release.revision != plan.good):
        say(f"to go back: {_back(plan)}")
    return iter(warnings)


def _saved(
    place: Place, wanted: Installation, asked: UpgradeRequest, plan: UpgradePlan, say: Say
) -> dict[str, Any] | None:
    """What the registry holds before, once it is saved; None where there is no MLflow."""
    if plan.tracking.secret is None:
        say("backup: there is no MLflow here, and nothing else keeps anything")
        return None
    if not place.has_mlflow():
        say("backup: MLflow was not here before, so there is nothing to save")
        return None
    if not plan.tracking.stores:
        say(f"backup: {asked.backup}, as you say; MLflow's database and bucket are not in the cluster")
    elif plan.changes_something:
        take_backup(place, wanted.root / "build" / "backup" / wanted.environment, say)
    else:
        say("backup: none, for nothing changes")
    return read_registry(place)


def _keep_gateway(say: Say) -> None:
    """A Gateway that the controller's chart made stays when the chart's next release no longer has it."""
    gateway = get_json(
        "-n", OURS.namespace, "get", "gateways.gateway.networking.k8s.io", OURS.name, "--ignore-not-found"
    )
    annotations = gateway.get("metadata", {}).get("annotations", {})
    if "meta.helm.sh/release-name" in annotations and annotations.get(RESOURCE_POLICY) != KEEP:
        kubectl("-n", OURS.namespace, "annotate", "gateway", OURS.name, f"{RESOURCE_POLICY}={KEEP}")
        say(f"gateway: {OURS.namespace}/{OURS.name} is kept when the chart that made it is upgraded")


def _check(place: Place, plan: UpgradePlan, registry: dict[str, Any] | None, say: Say) -> None:
    """Looks whether what serves is what served, answers, and is known to the registry as before."""
    faults = [*restarted(plan.serving, serving())]
    now = phases()
    faults += [
        f"{name}: its canary was {phase} and is {now.get(name, 'gone')}"
        for name, phase in plan.phases.items()
        if now.get(name) != phase
    ]
    for name, pods in plan.serving.items():
        fault = silence(pods)
        faults += [f"{name}: does not answer: {fault}"] if fault else []
    if registry is not None:
        faults += [f"registry: {line}" for line in differences(registry, read_registry(place))]
    if faults:
        back = [f"{_back(plan)} goes back"] if plan.good else []
        raise ClusterError("\n".join(["the upgrade ended, and not all is as it was:", *faults, *back]))
    say(f"serving: {', '.join(plan.serving) or 'nothing'}: the same pods, and each answers its example")
    if registry is not None:
        say(f"registry: {told(registry)}, as before")
    say(f"chart {PLATFORM}: {chart_version(CHART)}")


def _back(plan: UpgradePlan) -> str:
    return f"`helm rollback {PLATFORM} {plan.good} --namespace {PLATFORM}`"
