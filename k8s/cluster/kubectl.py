"""Every call of kubectl, and what we ask it for."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from k8s.cluster.program import SECONDS, run
from k8s.errors import ClusterError

#: The resources that a strategy needs beyond Kubernetes itself, and who brings them.
_GATEWAY: Final = ("httproutes.gateway.networking.k8s.io", "the Gateway API")
_FLAGGER: Final = ("canaries.flagger.app", "Flagger")
_NEEDED: Final = {
    "canary": (_FLAGGER, _GATEWAY),
    "shadow-then-canary": (_FLAGGER, _GATEWAY),
    "shadow": (_GATEWAY,),
    "basic": (_GATEWAY,),
}


def kubectl(*arguments: str, seconds: float = SECONDS) -> str:
    """The output of kubectl.

    Raises:
        ToolError: it is not on the PATH.
        ClusterError: it failed, by its last words, or did not end.
    """
    return run(["kubectl", *arguments], seconds)


def get_json(*arguments: str, seconds: float = SECONDS) -> dict[str, Any]:
    """The document that `kubectl ... -o json` writes; a list without items where nothing is found.

    Raises:
        ClusterError: it failed, by its last words, or did not end.
    """
    found = kubectl(*arguments, "-o", "json", seconds=seconds)
    document: dict[str, Any] = json.loads(found) if found.strip() else {"items": []}
    return document


def is_there(*arguments: str) -> bool:
    """Whether the object that `kubectl get` is asked for exists."""
    return bool(kubectl(*arguments, "--ignore-not-found", "-o", "name").strip())


def objects(namespace: str, kinds: str, name: str) -> list[dict[str, Any]]:
    """Objects of a service, by its label."""
    return list(get_json("-n", namespace, "get", kinds, "--selector", f"app.kubernetes.io/instance={name}")["items"])


def check_ready() -> None:
    """Asks the API server whether it is ready.

    Raises:
        ClusterError: it is not reached.
    """
    kubectl("get", "--raw", "/readyz", "--request-timeout=10s")


def check(namespace: str, strategy: str) -> None:
    """Asks whether the cluster has what the chart needs.

    Raises:
        ClusterError: it is not reached or lacks something; says what brings it.
    """
    check_ready()
    for resource, owner in _NEEDED[strategy]:
        if not is_there("get", "crd", resource):
            raise ClusterError(f"the cluster lacks {owner} (no {resource}); `make platform` installs it")
    if not is_there("get", "namespace", namespace):
        raise ClusterError(f"the cluster has no namespace {namespace}; `make platform` makes it")


def apply(option: str, what: str) -> None:
    """Applies, on the server's side, a manifest (`--filename`) or a folder (`--kustomize`)."""
    kubectl("apply", "--server-side", option, what)


def apply_as(owner: str, objects: Sequence[Mapping[str, Any]]) -> None:
    """Applies objects as their fields' owner, whoever set them before; other fields stay with their owners.

    They go through a file that only its owner can read: other programs can see command arguments.
    """
    with tempfile.TemporaryDirectory(prefix="canario-apply-") as folder:
        path = Path(folder) / "objects.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}), encoding="utf-8")
        kubectl("apply", "--server-side", "--force-conflicts", f"--field-manager={owner}", "--filename", str(path))


def apply_dry(namespace: str, document: Mapping[str, Any]) -> None:
    """Asks the API server whether it would take an object's next text, without a change.

    Raises:
        ClusterError: it would not, by its own words.
    """
    with tempfile.TemporaryDirectory(prefix="canario-object-") as folder:
        file = Path(folder, "object.json")
        file.write_text(json.dumps(document), encoding="utf-8")
        dry = ("--dry-run=server", "--force-conflicts", "--field-manager=helm")
        kubectl("--namespace", namespace, "apply", "--server-side", *dry, "--filename", str(file))


def create(document: dict[str, Any]) -> None:
    """Creates an object, whose name the API server may make up."""
    with tempfile.TemporaryDirectory(prefix="canario-object-") as folder:
        file = Path(folder, "object.json")
        file.write_text(json.dumps(document), encoding="utf-8")
        kubectl("create", "--filename", str(file))


def forget_champion(name: str, namespace: str) -> None:
    """Removes the champion that never got ready: Flagger copies it from the Deployment only when there is none."""
    kubectl("-n", namespace, "delete", "deployment", f"{name}-primary", "--ignore-not-found")
