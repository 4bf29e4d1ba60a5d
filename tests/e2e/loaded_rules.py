"""Brings rules to the cluster's Prometheus, and lets it tell the platform's Alertmanager.

A Prometheus of `k8s/controllers` does both by itself. One that was there before takes rules its own way: where it
mounts a ConfigMap `prometheus-rules`, they are written there, and as long as this lasts it tells our Alertmanager.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx

from k8s.alerts.prometheus import loaded_alerts
from k8s.cluster.tunnel import ClusterService, reached
from tests.e2e.kube import Kube

PROMETHEUS: Final = ClusterService("PROMETHEUS", "monitoring", "prometheus", 9090)
_OURS: Final = "alertmanager.canario:9093"
_RULES: Final = "prometheus-rules"
_FILE: Final = "prometheus.yml"
_SECONDS = 180.0
#: The shortest range: over less a rate would not have two samples.
_SHORTEST_SECONDS = 10


def hurried(rules: str) -> str:
    """Rules with a second in place of each minute, in their ranges and in `for`; no range is below ten seconds."""

    def seconds(number: str, unit: str) -> int:
        return int(number) * {"m": 1, "h": 60}[unit]

    ranges = re.sub(r"\[(\d+)([mh])\]", lambda one: f"[{max(_SHORTEST_SECONDS, seconds(one[1], one[2]))}s]", rules)
    return re.sub(r"\bfor: (\d+)([mh])\b", lambda one: f"for: {seconds(one[1], one[2])}s", ranges)


@contextmanager
def loaded(files: Mapping[str, str]) -> Iterator[None]:
    """Rule files, name -> text, in Prometheus as long as this lasts."""
    kube = Kube(PROMETHEUS.namespace)
    there = kube.get("configmap", _RULES)
    before = _redirected(kube)
    name = _RULES if _mounted(kube) else "hurried-rules"
    labels = {} if _mounted(kube) else {"prometheus_rules": "1"}
    kept = there.get("data", {}) if there and name == _RULES else {}
    try:
        _write(kube, name, labels, {**kept, **files})
        groups = {found for text in files.values() for found in re.findall(r"^ *- name: (\S+)$", text, re.MULTILINE)}
        _reloaded_until(kube, groups)
        yield
    finally:
        _write(kube, name, labels, kept)
        if before:
            kube.apply(before)


def _mounted(kube: Kube) -> bool:
    volumes = kube.get("deployment", PROMETHEUS.service)["spec"]["template"]["spec"]["volumes"]
    return any(volume.get("configMap", {}).get("name") == _RULES for volume in volumes)


def _write(kube: Kube, name: str, labels: Mapping[str, str], files: Mapping[str, str]) -> None:
    metadata = {"name": name, "namespace": kube.namespace, "labels": dict(labels)}
    kube.run("delete", "configmap", name, "--ignore-not-found")
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(files)})


def _redirected(kube: Kube) -> dict[str, Any] | None:
    """Lets Prometheus tell our Alertmanager; the ConfigMap as it was, None if it was so already."""
    found = kube.get("configmap", PROMETHEUS.service)
    if _OURS in found["data"][_FILE]:
        return None
    before = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": found["metadata"]["name"], "namespace": kube.namespace},
        "data": found["data"],
    }
    config = re.sub(r"alertmanager\.monitoring:9093", _OURS, found["data"][_FILE])
    assert _OURS in config, f"Prometheus tells no Alertmanager whose address could be changed:\n{config}"
    kube.apply({**before, "data": {**found["data"], _FILE: config}})
    return before


def _reloaded_until(kube: Kube, groups: set[str]) -> None:
    """Waits until Prometheus has the groups and our Alertmanager; a changed ConfigMap takes a while to its node."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        # A kubelet looks at once at the volumes of a pod that changed.
        seen = f"seen={time.time():.0f}"
        kube.run("annotate", "pods", "--selector", f"app={PROMETHEUS.service}", seen, "--overwrite")
        time.sleep(2)
        with reached(PROMETHEUS) as address:
            httpx.post(f"{address}/-/reload").raise_for_status()
            told = httpx.get(f"{address}/api/v1/alertmanagers").text
        if groups <= loaded_alerts(PROMETHEUS).keys() and _OURS in told:
            return
    raise AssertionError(f"Prometheus did not load {sorted(groups)} or does not know {_OURS}: {told}")
