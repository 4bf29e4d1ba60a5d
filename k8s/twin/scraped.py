"""The judge's view of the rollout: the list of scrape targets, and the canary's weight as Flagger exports it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

from components.files import write_atomically
from services import telemetry

Role = Literal["champion", "canary", "rollout", "gateway"]


@dataclass(frozen=True)
class ScrapeTarget:
    """An address that serves /metrics; role `rollout` is the twin itself."""

    address: str
    role: Role
    version: str


def write_targets(path: Path, service: str, targets: Iterable[ScrapeTarget]) -> None:
    """Replaces the list of targets (Prometheus' file_sd format) in one step."""
    groups = [
        {"targets": [t.address], "labels": {"service": service, "role": t.role, "version": t.version}} for t in targets
    ]
    write_atomically(path, json.dumps(groups, indent=1) + "\n")


class WeightExporter:
    """Serves `/metrics` with the canary's weight on a loopback port."""

    def __init__(self, service: str, port: int) -> None:
        self.weight = 0
        self.address = f"127.0.0.1:{port}"
        self._server = _Server(("127.0.0.1", port), _handler(service, self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="weight", daemon=True)

    def start(self) -> None:
        """Starts to answer; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Frees the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


def _handler(service: str, exporter: WeightExporter) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.partition("?")[0] == "/metrics"
            text = exposition(service, exporter.weight) if found else "only /metrics is here\n"
            self.send_response(200 if found else 404)
            self.send_header("content-type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the parent's name
            """Logs nothing: the judge asks every second."""

    return Handler


def exposition(service: str, weight: int) -> str:
    """The weight in Prometheus' text format."""
    name = telemetry.CANARY_WEIGHT
    help_line = f"# HELP {name} Percent of traffic that the canary gets."
    return f'{help_line}\n# TYPE {name} gauge\n{name}{{service="{service}"}} {weight}\n'
