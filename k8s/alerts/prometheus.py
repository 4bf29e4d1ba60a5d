"""What a Prometheus has loaded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import httpx

from k8s.cluster.tunnel import ClusterService, TunnelPace, reached
from k8s.errors import ClusterError

#: The alert that rings always, in every environment.
WATCHDOG: Final = "Watchdog"
_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 2.0
#: A look is repeated by whoever waits.
PACE: Final = TunnelPace(first_seconds=20, first_tries=1)


def place(service: ClusterService) -> str:
    """Namespace, name and port of a Service, as messages have them."""
    return f"{service.namespace}/{service.service}:{service.port}"


def loaded_alerts(prometheus: ClusterService) -> dict[str, list[str]]:
    """The names of the loaded alerts, by their group.

    Raises:
        ClusterError: Prometheus is not reached, or does not answer as one.
    """
    with reached(prometheus, PACE) as address:
        try:
            answer = httpx.get(f"{address}/api/v1/rules", params={"type": "alert"}, timeout=_SECONDS)
            return alerts_by_group(answer.raise_for_status().json())
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise ClusterError(f"Prometheus at {place(prometheus)} does not tell its rules: {error}") from error


def alerts_by_group(answer: Mapping[str, Any]) -> dict[str, list[str]]:
    """The names of the alerts in an answer of `/api/v1/rules`, by their group."""
    return {group["name"]: [rule["name"] for rule in group["rules"]] for group in answer["data"]["groups"]}


def lacking_rules(prometheus: ClusterService, seconds: float) -> str:
    """Why alerts cannot ring: Prometheus has not loaded our rules within some seconds; "" if it has."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if any(WATCHDOG in names for names in loaded_alerts(prometheus).values()):
                return ""
            why = f"Prometheus at {place(prometheus)} has not loaded the rules"
        except ClusterError as error:
            why = str(error)
        if time.monotonic() >= deadline:
            return (
                f"alerts reach nobody: {why}; `kubectl get configmaps -A -l prometheus_rules=1` lists them, and one "
                "that `make platform` did not install needs the values of k8s/controllers/controllers.yaml to read them"
            )
        time.sleep(_LOOK_SECONDS)
