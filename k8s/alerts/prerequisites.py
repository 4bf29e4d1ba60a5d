"""Checks that a cluster has what an environment's setting of its alerts names."""

from __future__ import annotations

from typing import Final

from k8s.cluster.kubectl import get_json, is_there
from k8s.errors import ClusterError
from k8s.rendering.alerting import Alerting

_RULES: Final = "prometheusrules.monitoring.coreos.com"


def check_operator(alerting: Alerting, file: str) -> None:
    """Checks that the Prometheus operator is there where rules are written for it.

    Raises:
        ClusterError: it is not; says what to change in `file`, where the setting stands.
    """
    if alerting.rules == "operator" and not is_there("get", "crd", _RULES):
        raise ClusterError(
            f"{file} has alerts.rules operator, and the cluster lacks the Prometheus operator (no {_RULES}); install "
            "it, or set alerts.rules to configmap"
        )


def check_secret(alerting: Alerting, namespace: str) -> None:
    """Checks that the receivers' secret has its keys, before Alertmanager waits for it.

    Raises:
        ClusterError: a key is missing.
    """
    if not alerting.secret_keys:
        return
    found = get_json("-n", namespace, "get", "secret", alerting.secret, "--ignore-not-found")
    missing = [key for key in alerting.secret_keys if key not in found.get("data", {})]
    if missing:
        files = " ".join(f"--from-file={key}" for key in alerting.secret_keys)
        raise ClusterError(
            f"secret {alerting.secret} in namespace {namespace}, which alerts.secret names, has no "
            f"{' and no '.join(missing)}; `kubectl -n {namespace} create secret generic {alerting.secret} {files}` "
            "makes it from files of these names (without a newline at the end)"
        )
