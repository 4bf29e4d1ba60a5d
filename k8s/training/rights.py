"""What the train step asks of the Kubernetes API when it starts workers, what a caller from outside asks of it."""

from __future__ import annotations

from typing import Any, Final

_API: Final = "rbac.authorization.k8s.io"
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

_CALLER: Final = "canario-caller"
#: What `kubectl port-forward service/...` asks for.
CALLER_RULES: Final = (
    ("", "services", ("get",)),
    ("", "pods", ("get", "list")),
    ("", "pods/portforward", ("create",)),
)


def rights(namespace: str, account: str) -> list[dict[str, Any]]:
    """A Role and its RoleBinding, for a service account of the same namespace."""
    return _bound(_NAME, namespace, RULES, {"kind": "ServiceAccount", "name": account, "namespace": namespace})


def caller_rights(namespace: str, user: str) -> list[dict[str, Any]]:
    """A Role and its RoleBinding, for a user outside that reaches a namespace's services by port-forward.

    Args:
        namespace: where the services are.
        user: the API server's name of the user; on GKE the e-mail of an account.
    """
    subject = {"kind": "User", "name": user, "apiGroup": _API}
    return _bound(_CALLER, namespace, CALLER_RULES, subject)


def _bound(
    name: str, namespace: str, allowed: tuple[tuple[str, str, tuple[str, ...]], ...], subject: dict[str, str]
) -> list[dict[str, Any]]:
    metadata = {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "canario"}}
    rules = [{"apiGroups": [group], "resources": [what], "verbs": list(verbs)} for group, what, verbs in allowed]
    return [
        {"apiVersion": f"{_API}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{_API}/v1",
            "kind": "RoleBinding",
            "metadata": dict(metadata),
            "roleRef": {"apiGroup": _API, "kind": "Role", "name": name},
            "subjects": [subject],
        },
    ]
