"""A socket that plays the part of Kubernetes' API server, and the Canaries that it has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.services.judge.churn_release import TOLD
from tests.serving import serving

CANARIES = "/apis/flagger.app/v1beta1/namespaces/models/canaries"


def failed_canary(phase: str = "Failed") -> dict[str, Any]:
    """As Flagger leaves it; the release was written before it failed."""
    written = {"manager": "helm", "operation": "Update", "time": "2026-01-01T00:00:00Z"}
    condition = {"type": "Promoted", "reason": phase, "lastUpdateTime": "2026-01-01T00:05:00Z"}
    kept = {"manager": "flagger", "operation": "Update", "subresource": "status", "time": "2026-01-01T00:05:00Z"}
    return {
        "metadata": {"name": "churn", "namespace": "models", "uid": "a-b-c", "managedFields": [written, kept]},
        "spec": {"analysis": {"webhooks": [{"type": "rollback"}, {"type": "event", "metadata": TOLD}]}},
        # Flagger writes the time of a status anew as long as it is Failed, and not that of its condition.
        "status": {"phase": phase, "lastTransitionTime": "2026-01-01T09:00:00Z", "conditions": [condition]},
    }


def progressing_canary(weight: int = 0) -> dict[str, Any]:
    canary = failed_canary(phase="Progressing")
    canary["status"]["canaryWeight"] = weight
    return canary


class ApiServer:
    """Takes Events as Kubernetes does: a name may stand once."""

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.posts = 0
        self.canaries: list[dict[str, Any]] = []
        self.canary = failed_canary()
        self.looks = 0
        #: Looks at the Canary before it is what it will be.
        self.late = 0
        self.status = 201
        self.token = ""
        self.url = ""

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if (method, path) == ("GET", CANARIES):
            return 200, {"items": self.canaries}
        if method == "GET":
            assert path == f"{CANARIES}/churn"
            self.looks += 1
            return 200, self.canary if self.looks > self.late else progressing_canary()
        assert path == "/api/v1/namespaces/models/events"
        self.posts += 1
        if self.status != 201:
            return self.status, {"message": "events is forbidden"}
        known = body["metadata"]["name"] in self.events
        self.events.setdefault(body["metadata"]["name"], body)
        return (409, {"message": "already exists"}) if known else (201, body)


@contextmanager
def api_server() -> Iterator[ApiServer]:
    api = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            api.token = self.headers["authorization"]
            text = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, document = api.answer(self.command, self.path, json.loads(text or b"{}"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        do_GET = do_POST = _any  # noqa: N815 -- the parent's names

        def log_message(self, *_: object) -> None:
            """Keeps the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    with serving(server):
        yield api
