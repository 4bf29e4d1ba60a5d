"""Two of the gateway's processes behind a balancer of connections: one ends under load, and no caller loses a request.

The times are those of k8s/controllers, a tenth of each; the balancer learns late that a process ends, as a node does.
"""

from __future__ import annotations

import http.client
import http.server
import itertools
import json
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from k8s.platform.controllers import read_controllers
from k8s.rendering.gateway import HTTP, SERVICE
from k8s.twin import loopback
from k8s.twin.ports import Ports
from tests.patience import patient

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

_TENTH = 10
#: How late the balancer learns that a process ends.
_LEARNS_SECONDS = 0.5
_CALLERS = 8
_TRAEFIK = Path(sys.executable).parent / "traefik"


class Backend(http.server.BaseHTTPRequestHandler):
    """Answers everything."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Balancer(socketserver.ThreadingTCPServer):
    """Gives each new connection to the next of some ports, as a node's proxy does; those that there are stay."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, ports: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.ports, self.turns = list(ports), itertools.count()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class Connection(socketserver.BaseRequestHandler):
    """One connection through the balancer, until either side closes it."""

    server: Balancer

    def handle(self) -> None:
        port = self.server.ports[next(self.server.turns) % len(self.server.ports)]
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as inner:
            back = threading.Thread(target=_pipe, args=(inner, self.request), daemon=True)
            back.start()
            _pipe(self.request, inner)
            back.join()


def _pipe(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while read := source.recv(65536):
            target.sendall(read)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def transport(scale: int) -> list[str]:
    """The transport of the gateway's port for HTTP as Traefik's arguments, each time divided."""
    chart = next(one for one in read_controllers() if one.name == SERVICE).chart
    assert chart is not None
    settings: dict[str, Any] = chart.values["ports"][HTTP]["transport"]
    flat = {"keepAliveMaxTime": settings["keepAliveMaxTime"]}
    flat |= {f"lifeCycle.{key}": value for key, value in settings["lifeCycle"].items()}
    seconds = {key: float(re.sub("s$", "", value)) / scale for key, value in flat.items()}
    return [f"--entryPoints.web.transport.{key}={value:g}s" for key, value in seconds.items()]


@contextmanager
def gateway(folder: Path, port: int, backend: int, more: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Traefik with one route, as long as a `with` lasts."""
    rule = {"rule": "PathPrefix(`/`)", "service": "backend"}
    servers = {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{backend}"}]}}
    routes = {"http": {"routers": {"all": rule}, "services": {"backend": servers}}}
    (folder / "routes.yaml").write_text(json.dumps(routes))
    words = [str(_TRAEFIK), f"--entryPoints.web.address=127.0.0.1:{port}"]
    words += [f"--providers.file.filename={folder / 'routes.yaml'}", "--global.checknewversion=false", *more]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield process
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    limit = time.monotonic() + patient(20)
    while time.monotonic() < limit:
        answer = loopback.get(f"http://127.0.0.1:{port}/")
        if answer is not None and answer.status == 200:
            return
        time.sleep(0.05)
    raise AssertionError("Traefik does not answer")


def call(port: int, over: threading.Event, counts: list[int]) -> None:
    """Asks again and again over one connection, and over a new one where it is told that this one closes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patient(10))
    while not over.is_set():
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            counts[answer.status == 200] += 1
        except (OSError, http.client.HTTPException):
            counts[0] += 1
            connection.close()
        over.wait(0.01)
    connection.close()


def lost(folder: Path, more: list[str]) -> tuple[int, int]:
    """The lost and the answered requests while one of two gateways ends."""
    with Ports() as ports, http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend) as backend:
        threading.Thread(target=backend.serve_forever, args=(0.05,), daemon=True).start()
        first, second = ports.take(), ports.take()
        with (
            gateway(folder, first, backend.server_port, more) as going,
            gateway(folder, second, backend.server_port, more),
            Balancer([first, second]) as balancer,
        ):
            over, counts = threading.Event(), [[0, 0] for _ in range(_CALLERS)]
            callers = [threading.Thread(target=call, args=(balancer.port, over, count)) for count in counts]
            for caller in callers:
                caller.start()
            time.sleep(1)
            going.terminate()
            time.sleep(_LEARNS_SECONDS)
            balancer.ports.remove(first)
            going.wait(patient(20))
            time.sleep(0.5)
            over.set()
            for caller in callers:
                caller.join()
            balancer.shutdown()
        backend.shutdown()
    return sum(count[0] for count in counts), sum(count[1] for count in counts)


def test_a_gateway_that_ends_under_load_loses_no_request(tmp_path: Path) -> None:
    """One that just ends loses some, so the load would notice."""
    failed, answered = lost(tmp_path, transport(_TENTH))
    assert failed == 0 < answered
    failed, answered = lost(tmp_path, [])
    assert failed > 0 < answered
