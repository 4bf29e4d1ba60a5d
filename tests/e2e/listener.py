"""Programs in the cluster for the tests of alerts: whoever is told, whoever calls, and series that nothing else has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from tests.e2e.kube import CONTAINER_SECURITY, Kube

#: Prints each message as a line: when it came, at which path, and what it said.
_LISTEN = """
import http.server, json, time
class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print(json.dumps({"at": time.time(), "path": self.path, "body": body}), flush=True)
        self.send_response(400 if self.path == "/refused" else 200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", 8080), Listener).serve_forever()
"""
#: Series as a scraper finds them: a gauge has its value, a counter grows by its value each second.
_EXPORT = """
import http.server, json, os, time
started, series = time.monotonic(), json.loads(os.environ["SERIES"])
class Exporter(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        seconds = time.monotonic() - started
        lines = [f"{name} {value * seconds if '_total{' in name else value}" for name, value in series.items()]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(("\\n".join(lines) + "\\n").encode())
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", 8080), Exporter).serve_forever()
"""
#: Ten rows, ten wrong bodies and ten labels of nobody's answer a second; what they are answered does not matter.
_CALL = """
import json, os, time, urllib.request
def post(path, document):
    body = json.dumps(document).encode()
    request = urllib.request.Request(os.environ["URL"] + path, body, {"content-type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=2).read()
    except OSError:
        pass
row, number = json.loads(os.environ["ROW"]), 0
while True:
    number += 1
    post("/predict", row)
    post("/predict", {"nothing": "of the contract"})
    post("/feedback", {"request_id": f"nobodys-{number}", "label": os.environ["LABEL"]})
    time.sleep(0.1)
"""
_PORT: Final = 8080


class Listener:
    """A receiver of webhooks in a namespace of its own, at `url`."""

    def __init__(self, kube: Kube, image: str) -> None:
        """`image` has Python in it."""
        self._kube, self._image = kube, image
        self.url = f"http://listener.{kube.namespace}:{_PORT}"

    def start(self) -> None:
        """Brings it, and waits until it listens."""
        kube = self._kube
        kube.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kube.namespace}},
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "listener", "namespace": kube.namespace},
                "spec": {"selector": {"app": "listener"}, "ports": [{"port": _PORT}]},
            },
            python_pod(kube.namespace, "listener", self._image, _LISTEN, listens=True),
        )
        kube.run("wait", "pod/listener", "--for=condition=Ready", "--timeout=120s")

    def messages(self, path: str) -> list[dict[str, Any]]:
        """What it was sent at a path, oldest first: `at` in seconds since 1970, `body` as Alertmanager writes it."""
        lines = self._kube.run("logs", "listener").splitlines()
        return [message for message in map(json.loads, lines) if message["path"] == path]

    def alerts(self, path: str = "/people") -> list[dict[str, Any]]:
        """Every alert of the messages at a path, with `status`, `labels` and `annotations`."""
        return [alert for message in self.messages(path) for alert in message["body"]["alerts"]]

    def silent_seconds(self, path: str, now: datetime) -> float:
        """How long it has heard nothing at a path."""
        return now.timestamp() - float(self.messages(path)[-1]["at"])


def exporter(namespace: str, image: str, series: Mapping[str, float]) -> dict[str, Any]:
    """A pod that exports series; counters, whose names end in `_total`, grow by their value each second."""
    return python_pod(namespace, "exporter", image, _EXPORT, listens=True, SERIES=json.dumps(series))


def careless_caller(namespace: str, image: str, url: str, package: Path, label: str) -> dict[str, Any]:
    """A pod that asks for a package's golden answers, sends wrong input as often, and labels that match no answer."""
    row = json.loads((package / "golden.jsonl").read_text(encoding="utf-8").splitlines()[0])["request"]
    return python_pod(namespace, "caller", image, _CALL, URL=url, ROW=json.dumps(row), LABEL=label)


def python_pod(
    namespace: str, name: str, image: str, script: str, *, listens: bool = False, **variables: str
) -> dict[str, Any]:
    """A restricted pod that runs a script; one that listens is scraped."""
    container: dict[str, Any] = {
        "name": name,
        "image": image,
        "command": ["python", "-c", script],
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "resources": {"requests": {"cpu": "10m"}},
        "securityContext": CONTAINER_SECURITY,
    }
    if listens:
        container["readinessProbe"] = {"tcpSocket": {"port": _PORT}, "periodSeconds": 1}
    scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": str(_PORT), "prometheus.io/path": "/metrics"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": name},
            "annotations": scraped if name == "exporter" else {},
        },
        "spec": {
            "containers": [container],
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        },
    }
