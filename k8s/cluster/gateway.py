"""What a cluster says of a Gateway: where it is reached, and what keeps it from its work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from k8s.cluster.kubectl import get_json


def read_gateway(namespace: str, name: str) -> dict[str, Any]:
    """The Gateway; an object without a status if it does not exist.

    Raises:
        ClusterError: the cluster is not reached, or knows no Gateways.
    """
    return get_json("-n", namespace, "get", "gateways.gateway.networking.k8s.io", name, "--ignore-not-found")


def addresses(gateway: Mapping[str, Any]) -> list[str]:
    """The addresses at which a Gateway is reached, as its controller tells; IP addresses or host names."""
    return [one["value"] for one in gateway.get("status", {}).get("addresses", ())]


def obstacles(gateway: Mapping[str, Any]) -> list[str]:
    """Why the present text of a Gateway is not in force, a sentence each; empty if it is."""
    status, generation = gateway.get("status", {}), gateway.get("metadata", {}).get("generation")
    parts = [("the Gateway", status), *((f"listener {one['name']}", one) for one in status.get("listeners", ()))]
    seen = [
        (what, one)
        for what, part in parts
        for one in part.get("conditions", ())
        if one.get("observedGeneration") == generation
    ]
    refusals = [line for what, one in seen for line in _refusals(what, one)]
    programmed = any(what == "the Gateway" and one["type"] == "Programmed" for what, one in seen)
    return refusals if programmed or refusals else ["no controller has taken it up"]


def _refusals(what: str, condition: Mapping[str, Any]) -> Iterator[str]:
    """Whether a condition is not as it should be: `Conflicted` is a fault when true, the others when false."""
    if (condition["status"] == "True") is (condition["type"] == "Conflicted"):
        reason = condition.get("message") or condition.get("reason")
        yield f"{what}: {condition['type']} is {condition['status']}: {reason}"
