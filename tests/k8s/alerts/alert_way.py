"""A Prometheus and an Alertmanager on this machine, and a kubectl that reaches them as it reaches a cluster's.

The answers have the form of Prometheus 3.7 (web/api/v1) and Alertmanager 0.28.1 (api/v2, notify.NewMetrics), which the
tests on a cluster meet themselves.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from tests.programs import program

#: Passes one connection after the other on, from the port that kubectl is told to the one behind it.
_FORWARD = """
import socket, sys, threading
def copy(one, other):
    while data := one.recv(65536):
        other.sendall(data)
    other.shutdown(socket.SHUT_WR)
listener = socket.create_server(("127.0.0.1", int(sys.argv[-1].partition(":")[0])))
while True:
    here, _ = listener.accept()
    there = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    for pair in ((here, there), (there, here)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""
_RULES = [("canario", ["JudgeDown", "Watchdog"]), ("churn", ["NothingServes"])]


@dataclass
class AlertWay:
    """What is there, and what was sent.

    Attributes:
        rules: groups that Prometheus has loaded, with the names of their alerts.
        heard: whether Alertmanager has heard of the Watchdog.
        accepts: the status with which it answers an alert.
        takes: whether the receiver of people takes what it is told.
        beats: how often the Watchdog's receiver took something, and how often not.
        sent: the alerts that were posted.
    """

    rules: list[tuple[str, list[str]]] = field(default_factory=lambda: list(_RULES))
    heard: bool = True
    accepts: int = 200
    takes: bool = True
    beats: tuple[int, int] = (3, 0)
    sent: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, path: str) -> str:
        """What a GET is answered with."""
        if path.startswith("/api/v1/rules?type=alert"):
            groups = [{"name": name, "rules": [{"name": one} for one in alerts]} for name, alerts in self.rules]
            return json.dumps({"status": "success", "data": {"groups": groups}})
        if path.startswith("/api/v2/alerts"):
            return json.dumps([{"labels": {"alertname": "Watchdog"}}] if self.heard else [])
        return self.metrics()

    def metrics(self) -> str:
        """Alertmanager's counters: a request is counted, and if it failed once more."""
        told = 5 + len(self.sent)
        counts = {"people": (told, 0 if self.takes else told), "watchdog": (sum(self.beats), self.beats[1])}
        lines = []
        for receiver, (asked, failed) in counts.items():
            labels = f'{{integration="webhook",receiver_name="{receiver}"}}'
            lines.append(f"alertmanager_notification_requests_total{labels} {asked}")
            lines.append(f"alertmanager_notification_requests_failed_total{labels} {failed}")
        return "\n".join(lines) + "\n"


@contextmanager
def reached(way: AlertWay, folder: Path) -> Iterator[Path]:
    """A folder for the PATH with a kubectl that forwards to it, as long as this lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(200, way.answer(self.path))

        def do_POST(self) -> None:
            way.sent += json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._say(way.accepts, "")

        def log_message(self, *_: object) -> None:
            pass

        def _say(self, status: int, text: str) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        port = server.server_address[1]
        log = 'level=WARN msg="Notify attempt failed, will retry later" receiver=people'
        cases = (
            f"*port-forward*) exec {shlex.quote(sys.executable)} -S {folder}/forward.py {port} $@ ;;",
            f"*logs*) echo '{log}' ;;",
        )
        (folder / "forward.py").write_text(_FORWARD, encoding="utf-8")
        program(folder, "kubectl", 'case "$*" in\n' + "\n".join(cases) + "\nesac")
        try:
            yield folder
        finally:
            server.shutdown()
