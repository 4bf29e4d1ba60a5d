"""The fields of an object that Kubernetes does not let change, so that no upgrade may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: What an update may not change, by kind; of a StatefulSet's claims only the template counts here.
#: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#limitations and the API's validation.
_FIXED: Final[dict[str, tuple[str, ...]]] = {
    "Deployment": ("spec.selector",),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.volumeClaimTemplates", "spec.podManagementPolicy"),
    "Job": ("spec.selector", "spec.template", "spec.completionMode"),
    "Service": ("spec.clusterIP",),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "PersistentVolumeClaim": ("spec.storageClassName", "spec.accessModes"),
    "Canary": ("spec.targetRef",),
}


def immovable(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The fields of one object that differ, and must not."""
    fields = _FIXED.get(str(after["kind"]), ())
    return [path for path in fields if _at(before, path) != _at(after, path)]


def _at(one: Any, path: str) -> Any:
    for key in path.split("."):
        one = one.get(key) if isinstance(one, Mapping) else None
    return one
