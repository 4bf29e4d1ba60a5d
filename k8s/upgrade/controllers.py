"""What becomes of each controller that is there: decided from its version, and from who brought it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from k8s.errors import EnvironmentFileError
from k8s.platform.controllers import Controller, is_there, told, version_key
from k8s.platform.installing import pending_advice
from k8s.rendering.environment_files import merged
from k8s.upgrade.inventory import Inventory

#: What is done: another version, other values, an installation; or nothing, because it is as it should be, or because
#: somebody else keeps it.
UPGRADE, VALUES, INSTALL, SAME, LEFT = "upgrade", "values", "install", "same", "left"
#: What changes the cluster.
CHANGES: Final = (UPGRADE, VALUES, INSTALL)
#: Ours have such versions; anything else was built by somebody.
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+")
_UNSAID: Final = "its version is not said"
#: The values that were given to a release, by its controller.
GivenValues = Callable[[Controller], dict[str, Any]]


@dataclass(frozen=True)
class ControllerPlan:
    """What becomes of one controller; `says` is a line without its name."""

    controller: Controller
    action: str
    says: str

    @property
    def changes(self) -> bool:
        """Whether anything of it is changed."""
        return self.action in CHANGES


def wanted_values(controller: Controller, *, local: bool) -> dict[str, Any]:
    """The values with which a controller's chart is installed."""
    chart = controller.chart
    if chart is None:
        return {}
    return merged(chart.values, chart.local_values) if local else dict(chart.values)


@dataclass(frozen=True)
class Names:
    """What is said of controllers by name.

    Attributes:
        asked: optional ones that are to be installed.
        skipped: those that somebody else keeps, whatever it looks like.
        local: whether it is a local cluster, which needs fewer.
    """

    asked: frozenset[str] = frozenset()
    skipped: frozenset[str] = frozenset()
    local: bool = False


def plan_controllers(
    known: Iterable[Controller], there: Inventory, given: GivenValues, names: Names
) -> list[ControllerPlan]:
    """What becomes of each controller that is there, is needed or is asked for.

    Raises:
        EnvironmentFileError: a name is that of no controller.
    """
    every = tuple(known)
    if unknown := sorted((names.asked | names.skipped) - {one.name for one in every}):
        raise EnvironmentFileError(
            f"there is no controller {unknown[0]!r}; there are {', '.join(one.name for one in every)}"
        )
    return [plan for one in every if (plan := _plan(one, there, given, names)) is not None]


def _plan(one: Controller, there: Inventory, given: GivenValues, names: Names) -> ControllerPlan | None:
    version = there.version_of(one)
    if one.name in names.skipped:
        return ControllerPlan(one, LEFT, f"{version or _UNSAID}; left alone, as asked")
    if not is_there(one, there.found):
        return _lacking(one, there, names)
    if owner := _owner(one, there, version):
        return ControllerPlan(one, LEFT, f"{version or _UNSAID}; {owner}")
    if version_key(version) != version_key(one.version):
        return ControllerPlan(one, UPGRADE, f"{version} becomes {one.version}")
    if one.chart and given(one) != wanted_values(one, local=names.local):
        return ControllerPlan(one, VALUES, f"{version} gets other values")
    return ControllerPlan(one, SAME, f"{version}, as it should be")


def _lacking(one: Controller, there: Inventory, names: Names) -> ControllerPlan | None:
    wanted = one.name in names.asked or (one.needed and (one.local or not names.local))
    if there.release_of(one) and there.found.wreck(one):
        return ControllerPlan(one, UPGRADE, f"{told(one, there.found)}; {one.version} is brought")
    return ControllerPlan(one, INSTALL, f"{told(one, there.found)}; {one.version} is installed") if wanted else None


def _owner(one: Controller, there: Inventory, version: str) -> str:
    """Who keeps a controller, if it is not `make platform`."""
    if f"{one.namespace}/{one.name}" in there.in_git:
        return "comes from Git, as a HelmRelease"
    if one.chart and there.release_of(one) is None:
        return "somebody else installed it, and keeps it"
    return "" if _VERSION.fullmatch(version) else "no release of its makers, so somebody keeps it"


def refusals(plans: Iterable[ControllerPlan], there: Inventory) -> Iterator[str]:
    """Why a controller cannot be brought to its version, a sentence each."""
    for plan in plans:
        one, version = plan.controller, there.version_of(plan.controller)
        state = there.found.wreck(one)
        if plan.changes and state.startswith("pending-"):
            yield pending_advice(one.name, str(one.namespace), state)
        if plan.action != UPGRADE:
            continue
        if version_key(version) > version_key(one.version):
            yield (
                f"{one.name}: {version} is there, newer than {one.version}, which this tree knows; take a newer "
                f"tree, or leave it alone: SKIP={one.name}"
            )
        if version_key(version) < version_key(one.oldest or "0"):
            yield (
                f"{one.name}: {version} is there, and {one.version} is reached from "
                f"{one.oldest} on; upgrade it to that first"
            )
        if version_key(there.kubernetes) < version_key(one.kubernetes or "0"):
            yield (
                f"{one.name}: {one.version} needs Kubernetes {one.kubernetes} or later, and this is "
                f"{there.kubernetes}; upgrade the cluster first, or leave it alone: SKIP={one.name}"
            )
