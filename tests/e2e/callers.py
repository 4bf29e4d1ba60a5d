"""Callers inside the cluster: locust in a pod, through the gateway, until it is told to stop."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from k8s.rendering.gateway import ca_file
from tests.e2e.kube import CONTAINER_SECURITY, Kube
from tests.repo.tree import ROOT

#: The Service of the gateway inside the cluster, by its namespace and name.
GATEWAY = os.environ.get("CANARIO_GATEWAY", "gateway/traefik")
#: Requests a second; a cluster of one small machine has its own work, too.
RATE = "200"
_SCRIPT = """
trap 'kill -TERM $locust' TERM
python -m locust -f tests/load/locustfile.py --headless --only-summary --out /tmp/load "$@" >/tmp/locust.log 2>&1 &
locust=$!
wait $locust
wait $locust
cat /tmp/locust.log /tmp/load/totals.json
"""


@dataclass(frozen=True)
class Count:
    """What callers saw of one version."""

    sent: int
    failed: int


class Callers:
    """Sends the rows of a table to a service; `with` starts them and clears up."""

    def __init__(self, kube: Kube, address: str, spec: Path, rows: Path, image: str, node: str = "") -> None:
        """Takes the service's address, by a name at the gateway or in the cluster, and a node to run on if it matters.

        Names of the local domain lead to the gateway, whose certificate is checked.
        """
        self._kube, self._image, self._address, self._node = kube, image, address, node
        self._files = {"service.yaml": spec.read_bytes(), "rows.parquet": rows.read_bytes()}
        self._host = urlsplit(address).hostname or ""
        if address.startswith("https:"):
            self._files["ca.pem"] = ca_file(ROOT, "local").read_bytes()
        self.requests: dict[str, Count] = {}
        self.faults: list[str] = []

    def __enter__(self) -> Callers:
        held = {name: base64.b64encode(content).decode() for name, content in self._files.items()}
        self._kube.run("delete", "pod", "callers", "--ignore-not-found", "--wait")
        self._kube.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rows"}, "binaryData": held}, self._pod()
        )
        self._kube.run("wait", "pod/callers", "--for=condition=Ready", "--timeout=120s")
        self._kube.wait("callers send", self.look, 90)
        return self

    def __exit__(self, *_: object) -> None:
        self._kube.run("delete", "pod", "callers", "--ignore-not-found", "--now")

    def stop(self) -> None:
        """Stops after the answers that are under way, and counts."""
        self._kube.run("exec", "callers", "--", "sh", "-c", "kill -TERM 1")
        self._kube.run("wait", "pod/callers", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
        self._read(self._kube.run("logs", "callers").rpartition("\n{")[2])

    def look(self) -> bool:
        """Whether requests were counted by now; the counts are at most some seconds old."""
        found = self._kube.run("exec", "callers", "--", "sh", "-c", "cat /tmp/load/totals.json 2>/dev/null || true")
        if found:
            self._read(found.removeprefix("{"))
        return bool(self.requests)

    def _read(self, rest: str) -> None:
        document: dict[str, Any] = json.loads("{" + rest)
        self.requests = {version: Count(**count) for version, count in document["versions"].items()}
        self.faults = document["faults"]

    def _pod(self) -> dict[str, Any]:
        where = ["--host", self._address, *(["--ca", "/rows/ca.pem"] if "ca.pem" in self._files else [])]
        load = ["--users", "16", "--spawn-rate", "100", "--rate", RATE]
        kept = ["--spec", "/rows/service.yaml", "--table", "/rows/rows.parquet"]
        shares = ["--feedback-share", "1", "--batch-share", "0.01"]
        container = {
            "name": "locust",
            "image": self._image,
            "command": ["sh", "-c", _SCRIPT, "sh", *where, *load, *kept, *shares],
            "volumeMounts": [{"name": "rows", "mountPath": "/rows"}, {"name": "tmp", "mountPath": "/tmp"}],
            "securityContext": CONTAINER_SECURITY,
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "callers"},
            "spec": {
                "restartPolicy": "Never",
                "hostAliases": self._aliases(),
                **({"nodeName": self._node} if self._node else {}),
                "containers": [container],
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "volumes": [{"name": "rows", "configMap": {"name": "rows"}}, {"name": "tmp", "emptyDir": {}}],
            },
        }

    def _aliases(self) -> list[dict[str, Any]]:
        """The gateway under the service's name, which no DNS knows."""
        if not self._host.endswith(".local"):
            return []
        namespace, name = GATEWAY.split("/")
        service = Kube(namespace).get("service", name)
        return [{"ip": service["spec"]["clusterIP"], "hostnames": [self._host]}]
