"""Nothing that a controller made outlives its cluster: what is asked for, in which order, and when it is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from terraform.commands import CloudError
from terraform.drain import Clock, drain

FLUX = "customresourcedefinition.apiextensions.k8s.io/kustomizations.kustomize.toolkit.fluxcd.io"
GATEWAYS = "customresourcedefinition.apiextensions.k8s.io/gateways.gateway.networking.k8s.io"


def item(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}, "spec": spec}


class Cluster:
    """A cluster whose controllers clean up `looks` looks after they were told to; never, where it is None."""

    def __init__(self, looks: int | None = 1, definitions: str = GATEWAYS, policy: str = "Delete") -> None:
        self.looks, self.definitions = looks, definitions
        self.commands: list[str] = []
        self.removed = 0
        self.objects: dict[str, list[dict[str, Any]]] = {
            "services": [
                item("gateway", "traefik", type="LoadBalancer"),
                item("models", "churn", type="ClusterIP"),
                item("default", "old", type="LoadBalancer"),
            ],
            "ingresses.networking.k8s.io": [],
            "gateways.gateway.networking.k8s.io": [item("gateway", "public")],
            "persistentvolumeclaims": [item("monitoring", "prometheus")],
            "persistentvolumes": [item("", "pvc-1", persistentVolumeReclaimPolicy=policy)],
        }

    def __call__(self, command: Sequence[str]) -> str:
        self.commands.append(" ".join(command))
        if command[1] == "get" and "customresourcedefinitions" in command:
            return self.definitions
        if command[1] == "get":
            if command[2] == "gateways.gateway.networking.k8s.io" and GATEWAYS not in self.definitions:
                raise CloudError("the server doesn't have a resource type")
            return json.dumps({"items": self._items(command[2])})
        return ""

    def _items(self, kind: str) -> list[dict[str, Any]]:
        told = any(" delete " in line for line in self.commands)
        self.removed += told and kind == "persistentvolumes"
        gone = told and self.looks is not None and self.removed >= self.looks
        return [one for one in self.objects[kind] if not gone or one["spec"].get("type") == "ClusterIP"]

    def deletions(self) -> list[str]:
        return [line for line in self.commands if " delete " in line]


class Time:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.clock = Clock(lambda: self.seconds, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_only_namespaces_with_load_balancers_or_disks_go() -> None:
    """Namespaces with load balancers or disks go, and others stay."""
    cluster = Cluster()
    drain(cluster, 60, Time().clock)
    assert [line.split()[:4] for line in cluster.deletions()[:2]] == [
        ["kubectl", "delete", "namespace", "gateway"],
        ["kubectl", "delete", "namespace", "monitoring"],
    ]
    assert not any("models" in line for line in cluster.commands)


def test_only_the_object_goes_from_the_clusters_own_namespaces() -> None:
    """Only the object goes from a namespace of the cluster itself."""
    cluster = Cluster()
    drain(cluster, 60, Time().clock)
    assert cluster.deletions()[2:] == [
        "kubectl --namespace=default delete services old --wait=false --ignore-not-found"
    ]


def test_flux_is_stopped_before_anything_is_removed() -> None:
    """Flux is stopped before anything is removed, because it would put it back."""
    cluster = Cluster(definitions=f"{FLUX}\n{GATEWAYS}\n")
    drain(cluster, 60, Time().clock)
    stopped = cluster.commands.index("kubectl --namespace=flux-system scale deployment --all --replicas=0")
    assert stopped < min(cluster.commands.index(line) for line in cluster.deletions())


def test_it_waits_until_the_last_disk_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    time = Time()
    drain(Cluster(looks=4), 60, time.clock)
    assert time.seconds == 15
    assert (
        "waiting for services gateway/traefik, services default/old, gateways gateway/public" in capsys.readouterr().out
    )


def test_what_is_left_after_the_limit_is_refused_and_named() -> None:
    with pytest.raises(CloudError, match=r"still services gateway/traefik.*persistentvolume pvc-1: the cluster stays"):
        drain(Cluster(looks=None), 60, Time().clock)


def test_a_disk_kept_on_purpose_is_refused_before_any_removal() -> None:
    """A disk that is kept on purpose is refused before anything is removed."""
    cluster = Cluster(policy="Retain")
    with pytest.raises(CloudError, match="disks of pvc-1 would outlive the cluster"):
        drain(cluster, 60, Time().clock)
    assert cluster.deletions() == []


def test_without_the_gateway_api_gateways_are_not_asked_for() -> None:
    """A cluster without the Gateway API is not asked for gateways."""
    cluster = Cluster(definitions="")
    cluster.objects["gateways.gateway.networking.k8s.io"] = []
    drain(cluster, 60, Time().clock)
    assert not any("get gateways" in line for line in cluster.commands)


def test_an_empty_cluster_is_drained_at_once() -> None:
    cluster = Cluster(definitions="")
    cluster.objects = {kind: [] for kind in cluster.objects}
    time = Time()
    drain(cluster, 60, time.clock)
    assert (cluster.deletions(), time.seconds) == ([], 0)
