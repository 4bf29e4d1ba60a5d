"""The judge's client of Kubernetes: reads Canaries and writes Events about them.

It speaks plain HTTPS with the pod's own token (kubernetes.io/docs/tasks/run-application/access-api-from-pod).
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.judge.actions import rest
from services.judge.errors import KubernetesError
from services.judge.webhook import Subject

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_CANARIES = "/apis/flagger.app/v1beta1/namespaces/{namespace}/canaries"
_LONGEST_MESSAGE = 1024
_EXISTS = 409


@dataclass(frozen=True)
class Notice:
    """One Event: `title` is its reason in CamelCase; of several with the same `key` only one is written."""

    title: str
    message: str
    key: str
    warning: bool = False


class KubernetesApi:
    """An API server."""

    def __init__(self, url: str, token: Callable[[], str], clock: Callable[[], float], ca_file: Path | None) -> None:
        """`token` is read for each call, because it is renewed; `clock` gives Unix seconds."""
        self._url = url
        self._context = ssl.create_default_context(cafile=ca_file) if ca_file else None
        self._token, self._clock = token, clock

    async def canaries(self, namespace: str) -> list[dict[str, Any]]:
        """The Canaries of a namespace.

        Raises:
            KubernetesError: the API server cannot be reached, or refuses.
        """
        document = await self._call("GET", _CANARIES.format(namespace=namespace), None)
        return list(document.get("items") or [])

    async def canary(self, subject: Subject) -> dict[str, Any]:
        """The Canary of this name.

        Raises:
            KubernetesError: the API server cannot be reached, or refuses.
        """
        return await self._call("GET", f"{_CANARIES.format(namespace=subject.namespace)}/{subject.service}", None)

    async def write_event(self, subject: Subject, notice: Notice) -> None:
        """Writes an Event about the Canary of this name; an Event with the same key stays as it is.

        Raises:
            KubernetesError: the API server cannot be reached, or refuses.
        """
        canary = await self.canary(subject)
        event = _event(subject, canary["metadata"]["uid"], notice, self._clock())
        await self._call("POST", f"/api/v1/namespaces/{subject.namespace}/events", event)

    async def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        try:
            headers = {"authorization": f"Bearer {self._token()}"}
            status, document = await asyncio.to_thread(
                rest.call, method, f"{self._url}{path}", body, headers, self._context
            )
        except rest.FAULTS as error:
            raise KubernetesError(f"{method} {path}: Kubernetes cannot be asked: {error}") from error
        if status >= 300 and status != _EXISTS:
            raise KubernetesError(f"{method} {path}: Kubernetes says {status}: {document.get('message', '')}")
        return document


def own_cluster(clock: Callable[[], float]) -> KubernetesApi:
    """The API server of the cluster in which this pod runs.

    Raises:
        KubernetesError: this is not a pod, or the pod has no token.
    """
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    token, ca_file = ACCOUNT / "token", ACCOUNT / "ca.crt"
    if not host or not token.is_file():
        raise KubernetesError("--events needs a pod with a service account's token; leave the option out elsewhere")
    host = f"[{host}]" if ":" in host else host
    return KubernetesApi(f"https://{host}:{port}", lambda: token.read_text(encoding="utf-8"), clock, ca_file)


def _event(subject: Subject, uid: str, notice: Notice, now: float) -> dict[str, Any]:
    at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    canary = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "uid": uid}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{subject.service}.judge.{notice.key}", "namespace": subject.namespace},
        "involvedObject": canary | {"name": subject.service, "namespace": subject.namespace},
        "reason": notice.title,
        "message": notice.message[:_LONGEST_MESSAGE],
        "type": "Warning" if notice.warning else "Normal",
        "source": {"component": "canario-judge"},
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }
