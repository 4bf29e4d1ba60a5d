"""The gateway's pods as `make platform` would have them, also where a cluster came with a Traefik of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from k8s.platform.controllers import read_controllers
from k8s.rendering.gateway import PORTS, SERVICE
from tests.e2e.callers import GATEWAY
from tests.e2e.kube import Kube

#: The chart's label of its own pods.
_INSTANCE = "app.kubernetes.io/instance"


def gateway() -> Kube:
    """The namespace of the gateway."""
    return Kube(GATEWAY.split("/")[0])


def is_ours() -> bool:
    """Whether `make platform` installed the gateway's pods."""
    return _INSTANCE in gateway().get("deployment", SERVICE)["spec"]["selector"]["matchLabels"]


def pods() -> list[dict[str, Any]]:
    """The gateway's pods that are ready and stay."""
    found = gateway().get("pods", "--selector", selector())
    return [one for one in found if "deletionTimestamp" not in one["metadata"] and _is_ready(one)]


def selector() -> str:
    """What chooses the gateway's pods."""
    labels = gateway().get("deployment", SERVICE)["spec"]["selector"]["matchLabels"]
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _is_ready(pod: dict[str, Any]) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", ()))


@contextmanager
def as_in_the_platform() -> Iterator[None]:
    """The replicas, budget and patience of k8s/controllers; a Traefik that another brought is given them meanwhile."""
    if is_ours():
        yield
        return
    kube = gateway()
    before = kube.get("deployment", SERVICE)
    try:
        kube.run("patch", "deployment", SERVICE, "--type=strategic", "--patch-file=/dev/stdin", stdin=_patch(before))
        kube.apply(_budget(before))
        rolled_out()
        yield
    finally:
        kube.run("delete", "poddisruptionbudget", SERVICE, "--ignore-not-found")
        kube.run("rollout", "undo", f"deployment/{SERVICE}")
        kube.run("scale", f"deployment/{SERVICE}", f"--replicas={before['spec']['replicas']}")
        rolled_out()


def rolled_out() -> None:
    """Waits until the gateway's pods are those that it is to have."""
    gateway().run("rollout", "status", f"deployment/{SERVICE}", "--timeout=180s")


def _values() -> dict[str, Any]:
    chart = next(one for one in read_controllers() if one.name == SERVICE).chart
    assert chart is not None
    return chart.values


def _patch(deployment: dict[str, Any]) -> str:
    values, container = _values(), deployment["spec"]["template"]["spec"]["containers"][0]
    labels = deployment["spec"]["selector"]["matchLabels"]
    spread = [one | {"labelSelector": {"matchLabels": labels}} for one in values["topologySpreadConstraints"]]
    pod = {
        "terminationGracePeriodSeconds": values["deployment"]["terminationGracePeriodSeconds"],
        "topologySpreadConstraints": spread,
        "containers": [{"name": container["name"], "args": [*container["args"], *_arguments(values)], "resources": {}}],
    }
    spec = {
        "replicas": values["deployment"]["replicas"],
        "strategy": values["updateStrategy"],
        "template": {"spec": pod},
    }
    return json.dumps({"spec": spec})


def _arguments(values: dict[str, Any]) -> list[str]:
    """The arguments that Traefik's chart makes of the transport of each port, and of what is counted."""
    counted = [f"--metrics.{key}={str(value).lower()}" for key, value in _flat(values["metrics"])]
    # As the chart's own default has it: there, and at no other port, its pod says that it is to be scraped.
    counted.append("--metrics.prometheus.entryPoint=metrics")
    return counted + [
        f"--entryPoints.{name}.transport.{key}={value}"
        for name in PORTS
        for key, value in _flat(values["ports"][name]["transport"])
    ]


def _flat(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{inner}", text) for inner, text in _flat(value))
        else:
            yield key, str(value)


def _budget(deployment: dict[str, Any]) -> dict[str, Any]:
    chosen = {"selector": deployment["spec"]["selector"]}
    most = {"maxUnavailable": _values()["podDisruptionBudget"]["maxUnavailable"]}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": SERVICE},
        "spec": {**chosen, **most},
    }
