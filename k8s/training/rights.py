"""What the train step asks of the Kubernetes API when it starts workers, and nothing more."""

from __future__ import annotations

from typing import Any, Final

_NAME: Final = "canario-training"
#: API group, resource, verbs.
RULES: Final = (
    ("batch", "jobs", ("create", "get", "delete")),
    ("", "services", ("create",)),
    ("networking.k8s.io", "networkpolicies", ("create",)),
    ("", "pods", ("get", "list")),
    ("", "pods/log", ("get",)),
    ("", "events", ("list",)),
    ("argoproj.io", "workflows", ("get",)),
    ("kueue.x-k8s.io", "workloads", ("list",)),
)


def rights(namespace: str, account: str) -> list[dict[str, Any]]:
    """A Role and its RoleBinding, for a service account of the same namespace."""
    metadata = {"name": _NAME, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "canario"}}
    rules = [{"apiGroups": [group], "resources": [what], "verbs": list(verbs)} for group, what, verbs in RULES]
    api = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": dict(metadata),
            "roleRef": {"apiGroup": api, "kind": "Role", "name": _NAME},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        },
    ]
