"""The order in which modules may import each other: the storeys, and the rooms inside each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from components.image.contents import GROUND

#: The steps of the pipeline: modules at the top of `components`, which import rooms and not each other.
STEPS: Final = (
    *("ingest", "validate", "split", "tune", "train", "evaluate", "gate", "register", "imaging", "release"),
)
#: What stands directly in a package, lowest first: each may import what stands before it, and itself.
ROOMS: Final[dict[str, tuple[str, ...]]] = {
    "": ("components", "pipelines", "services", "k8s"),
    "components": (
        *sorted(GROUND, reverse=True), "code", "step", "spec", "git", "features", "package", "signing", "image",
        "table", "store", "releases", "models", "evaluation", "validation", "registry", "jobs", "steps", "start",
        "profile",
    ),
    "services": ("telemetry", "model_server", "judge", "image", "signing"),
    "services.judge": (
        "errors", "log", "webhook", "rollout_end", "evidence", "statistics", "lost_finding", "findings", "headline",
        "verdict", "exposure", "shadow", "judge", "metrics", "decisions", "actions", "server", "simulate", "plan",
        "__main__",
    ),
    "k8s": (
        "errors", "report", "cluster", "rendering", "alerts", "release", "deploy", "platform", "backup", "upgrade",
        "training", "lineage", "audit", "replay", "twin",
    ),
    "k8s.twin": (
        "errors", "events", "loopback", "ports", "free_port", "processes", "supervise", "summary", "versions",
        "webhooks", "gateway", "scraped", "rollout", "serving", "sync", "twin", "serve", "report", "demo",
    ),
}  # fmt: skip
#: What a service may use of the storeys below, where not all; the innermost limit counts. The judge's image leaves its
#: simulation out, which plays with packages as the pipeline makes them.
LIMITS: Final[dict[str, tuple[str, ...]]] = {
    "services": (*GROUND, "spec", "git", "features", "package", "signing", "image", "releases"),
    "services.model_server": (*GROUND, "spec", "features", "package", "image"),
    "services.judge": (*GROUND, "spec", "git", "releases"),
    "services.judge.simulate": (*GROUND, "spec", "features", "package"),
}


def misplaced(module: str, imported: Iterable[str]) -> list[str]:
    """The imports of a module that go against the order."""
    return sorted(name for name in imported if not _may(module, name))


def place_of(module: str) -> tuple[str, int] | None:
    """The innermost package whose order knows a module, and its place there; None where an order lacks it."""
    parts, place = module.split("."), None
    for depth in range(len(parts)):
        package = ".".join(parts[:depth])
        if package in ROOMS:
            name = _named(package, parts[depth])
            if name not in ROOMS[package]:
                return None
            place = (package, ROOMS[package].index(name))
    return place


def _named(package: str, part: str) -> str:
    return "steps" if package == "components" and part in STEPS else part


def _may(module: str, name: str) -> bool:
    if name.partition(".")[0] == "tests":
        return False
    return _in_order(module.split("."), name.split(".")) and _in_limits(module, name)


def _in_order(ours: list[str], theirs: list[str]) -> bool:
    """Whether where the two paths part, the other stands earlier."""
    depth = next((at for at, (mine, other) in enumerate(zip(ours, theirs, strict=False)) if mine != other), None)
    if depth is None:
        return True
    package = ".".join(ours[:depth])
    order, mine, other = ROOMS.get(package, ()), _named(package, ours[depth]), _named(package, theirs[depth])
    if mine not in order or other not in order:
        return True
    return order.index(other) < order.index(mine) and (mine, other) != _APART


#: Services know nothing of the pipelines, although these stand lower.
_APART: Final = ("services", "pipelines")


def _in_limits(module: str, name: str) -> bool:
    storey, _, rest = name.partition(".")
    if storey != "components" or not rest:
        return True
    limits = [prefix for prefix in LIMITS if f"{module}.".startswith(f"{prefix}.")]
    return not limits or rest.split(".")[0] in LIMITS[max(limits, key=len)]
