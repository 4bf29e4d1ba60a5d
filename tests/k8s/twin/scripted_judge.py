"""A real webhook server whose answers a test writes down, and which remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from k8s.twin.ports import Ports
from k8s.twin.webhooks import HOOK_TYPES
from tests.serving import serving


class ScriptedJudge:
    """Says yes to everything but a rollback, until told otherwise; `asked` leaves out events."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.says: dict[str, int] = {}
        self.reasons: dict[str, str] = {}
        self.be_pleased()
        self.numbers: dict[str, Any] = {"verdict": "pass", "signals": [{"name": "error_ratio", "canary": 0.05}]}
        self.asked: list[str] = []
        self.events: list[str] = []
        self.payloads: list[dict[str, Any]] = []

    def be_pleased(self) -> None:
        self.says.update(dict.fromkeys(HOOK_TYPES, 200))
        self.says["rollback"] = 403
        self.reasons.clear()

    def taken(self) -> list[str]:
        """What was asked since the last time."""
        asked, self.asked = self.asked, []
        return asked

    def answer(self, hook: str, payload: dict[str, Any]) -> tuple[int, bytes]:
        self.payloads.append(payload)
        if hook == "event":
            self.events.append(payload["metadata"]["eventMessage"])
        else:
            self.asked.append(hook)
        return self.says[hook], self.reasons.get(hook, f"{hook} was answered {self.says[hook]}").encode()


@contextmanager
def scripted_judge() -> Iterator[ScriptedJudge]:
    with Ports() as ports:
        judge = ScriptedJudge(ports.take())

        class Routes(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                payload = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self._send(*judge.answer(self.path.strip("/"), payload))

            def do_GET(self) -> None:
                self._send(200, json.dumps(judge.numbers | {"asked": self.path}).encode())

            def _send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", int(judge.url.rsplit(":", 1)[1])), Routes)
        with serving(server):
            yield judge
