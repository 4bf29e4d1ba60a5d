"""Runs helm and kubectl, and says in a sentence what went wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from k8s.errors import ClusterError, ToolError
from k8s.rendering.schema import CHART

_INSTALL: Final = {
    "helm": "https://helm.sh/docs/intro/install",
    "kubectl": "https://kubernetes.io/docs/tasks/tools",
}
#: What a strategy needs beyond Kubernetes itself: a resource, and who brings it.
_NEEDED: Final = {
    "canary": (("canaries.flagger.app", "Flagger"), ("httproutes.gateway.networking.k8s.io", "the Gateway API")),
    "shadow": (("httproutes.gateway.networking.k8s.io", "the Gateway API"),),
    "basic": (("httproutes.gateway.networking.k8s.io", "the Gateway API"),),
}

_UNREACHED: Final = (
    "connection refused",
    "unable to connect",
    "was refused",
    "unreachable",
    "no such host",
    "i/o timeout",
)


#: An answer takes a second, where nothing is waited for.
_SECONDS: Final = 120.0


def tool(name: str) -> str:
    """Where a program is.

    Raises:
        ToolError: it is not on the PATH.
    """
    found = shutil.which(name)
    if found is None:
        raise ToolError(f"{name} is not on the PATH; {_INSTALL[name]} says how to install it")
    return found


def run(command: Sequence[str], seconds: float = _SECONDS) -> str:
    """What a program writes; `seconds` is more than it may itself wait.

    Raises:
        ClusterError: it failed, by its last words, or had no end.
    """
    words = [tool(command[0]), *command[1:]]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{command[0]} had no answer within {seconds:g} s; is KUBECONFIG the right one?") from error
    if done.returncode:
        raise ClusterError(explained(done.stderr.strip() or done.stdout.strip()))
    return done.stdout


def explained(words: str) -> str:
    """A program's own words: a rule of the chart alone, or with the next step where the cluster is not reached."""
    rule = re.search(r"execution error at \([^)]*\): (.*)", words)
    if rule:
        return rule[1]
    if any(sign in words.lower() for sign in _UNREACHED):
        return f"the cluster is not reached; does KUBECONFIG name one that runs?\n{words}"
    return words


def check(namespace: str, strategy: str) -> None:
    """Whether the cluster has what the chart needs.

    Raises:
        ClusterError: it is not reached or lacks something; says what brings it.
    """
    run(["kubectl", "get", "--raw", "/readyz", "--request-timeout=10s"])
    for resource, owner in _NEEDED[strategy]:
        if not run(["kubectl", "get", "crd", resource, "--ignore-not-found", "-o", "name"]).strip():
            raise ClusterError(f"the cluster lacks {owner} (no {resource}); `make platform` installs it")
    if not run(["kubectl", "get", "namespace", namespace, "--ignore-not-found", "-o", "name"]).strip():
        raise ClusterError(f"the cluster has no namespace {namespace}; `make platform` makes it")


def render(chart: Path, name: str, namespace: str, *options: str) -> str:
    """A chart's manifests; needs no cluster.

    Raises:
        ClusterError: the chart refuses the values.
    """
    return run(["helm", "template", name, str(chart), "--namespace", namespace, *options])


def install(name: str, namespace: str, values: Path) -> None:
    """Brings the chart to the cluster; does not wait.

    Raises:
        ClusterError: the chart refuses the values, or the cluster an object.
    """
    run(["helm", "upgrade", "--install", name, str(CHART), "--namespace", namespace, "--values", str(values)])


def objects(namespace: str, kinds: str, name: str) -> list[dict[str, Any]]:
    """Objects of a service, by its label."""
    selector = f"app.kubernetes.io/instance={name}"
    command = ["kubectl", "-n", namespace, "get", kinds, "--selector", selector, "-o", "json"]
    return list(json.loads(run(command))["items"])


def forget_champion(name: str, namespace: str) -> None:
    """Removes the champion that never got ready: Flagger copies it from the Deployment only when there is none."""
    run(["kubectl", "-n", namespace, "delete", "deployment", f"{name}-primary", "--ignore-not-found"])
