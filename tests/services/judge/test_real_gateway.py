"""What a real Traefik answers itself, through a real Prometheus, to the judge; `prometheus` has to be on the PATH.

Routes and backends have the names that Traefik gives them in a cluster.
"""

from __future__ import annotations

import asyncio
import http.client
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from components.spec.contract import Rollout
from k8s.twin.gateway import find_traefik
from services.judge.evidence.counts import Evidence
from services.judge.evidence.gateway import ROUTED_SECONDS
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.prometheus import PrometheusSource
from services.judge.findings import findings_of
from services.judge.webhook import Subject
from tests.patience import patient, patient_deadline
from tests.services.judge.pages import replica_page
from tests.services.judge.prometheus_server import Server
from tests.serving import serving

pytestmark = pytest.mark.charts

CHURN, ROLLOUT = Subject("churn", "models"), Rollout(deadline_minutes=1)
CANARY, CHAMPION, GATEWAY = "churn-7d9f4-x2x2x", "churn-primary-5f6d7-b4b4b", "traefik-7d9f4-x2x2x"
_ROUTE = f"httproute-models-churn-gw-gateway-public-ep-web-0-{'0123456789' * 2}"
_STALE_SECONDS = 3.0


class Answers(BaseHTTPRequestHandler):
    """Answers all that is posted."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps the tests' output clean."""


class Traefik:
    """Half of the requests go to the champion, which answers, and half to the canary's endpoints."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        stack.enter_context(serving(server))
        self._file, self._champion = folder / "routes.yaml", f"http://127.0.0.1:{server.server_port}"
        self.address, self.metrics = _free_address(), _free_address()
        self.canary([])
        self._process = subprocess.Popen(
            [find_traefik(), f"--entrypoints.web.address={self.address}",
             f"--entrypoints.metrics.address={self.metrics}", f"--providers.file.filename={self._file}",
             "--providers.providersthrottleduration=50ms",
             "--metrics.prometheus.entrypoint=metrics", "--metrics.prometheus.addrouterslabels=true",
             "--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=ERROR"],
        )  # fmt: skip
        stack.callback(self.stop)

    def canary(self, endpoints: list[str]) -> None:
        """Sets the canary's endpoints that are ready."""
        sides = {"primary-0": [self._champion], "canary-1": endpoints}
        backends = {
            f"{_ROUTE}-svc-models-churn-{name}": {"loadBalancer": {"servers": [{"url": url} for url in urls]}}
            for name, urls in sides.items()
        }
        both = {"weighted": {"services": [{"name": name, "weight": 50} for name in backends]}}
        router = {_ROUTE: {"rule": "PathPrefix(`/`)", "service": f"{_ROUTE}-wrr"}}
        known = {"http": {"routers": router, "services": {**backends, f"{_ROUTE}-wrr": both}}}
        self._file.write_text(yaml.safe_dump(known), encoding="utf-8")

    def posts(self, times: int) -> Counter[int]:
        """The statuses of some requests."""
        found: Counter[int] = Counter()
        with closing(http.client.HTTPConnection(self.address, timeout=patient(10))) as connection:
            for _ in range(times):
                connection.request("POST", "/predict", b"{}")
                reply = connection.getresponse()
                reply.read()
                found[reply.status] += 1
        return found

    def wait_ready(self) -> None:
        deadline = patient_deadline(20)
        while time.monotonic() < deadline:
            with suppress(OSError):
                if 404 not in self.posts(2):
                    return
            time.sleep(0.1)
        raise TimeoutError("traefik does not answer")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(patient(20))


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[tuple[Server, Traefik]]:
    assert shutil.which("prometheus"), "put prometheus on the PATH"
    with ExitStack() as stack:
        yield Server(tmp_path, stack), Traefik(tmp_path, stack)


def read(found: PrometheusSource) -> Evidence:
    async def go() -> None:
        await found.follow(CHURN, ROLLOUT)
        await found.refresh()

    asyncio.run(go())
    return evidence_at(found.series(CHURN), time.time(), _STALE_SECONDS)


def test_a_canary_without_ready_endpoints_is_found(parts: tuple[Server, Traefik]) -> None:
    """20 of 40 requests are answered 503 for no backend, then 10 of 20 are refused; the champion answers the others."""
    server, traefik = parts
    traefik.wait_ready()
    canary = {"version": "2", "package": "sha256:two", "champion": "sha256:one"}
    server.pods.set(CANARY, replica_page(7, **canary))  # type: ignore[arg-type]
    server.pods.set(CHAMPION, replica_page(1000))
    server.pods.at(GATEWAY, traefik.metrics, "gateway")
    server.wait_for('count(traefik_router_requests_total{code="503",method="POST"})', 1)  # from before the rollout
    server.pods.weight(50)
    server.wait_for('flagger_canary_weight{workload="churn"}', 50)
    time.sleep(ROUTED_SECONDS + 1)
    assert traefik.posts(40) == {200: 20, 503: 20}
    traefik.canary([f"http://{_free_address()}"])
    deadline = patient_deadline(10)
    while traefik.posts(2)[502] == 0:
        assert time.monotonic() < deadline
    traefik.posts(18)
    server.pods.set(CANARY, replica_page(8, **canary))  # type: ignore[arg-type]
    server.pods.set(CHAMPION, replica_page(1030))
    server.wait_for("sum(canario_requests_total)", 1038)
    source = PrometheusSource(server.url, time.time)
    found = read(source)
    (stratum,) = found.strata
    assert found.gateway == "told"
    assert stratum.gave_up[0] <= 1  # a page may be written between two turns
    assert stratum.gave_up[1] >= 29
    assert "had no replica to go to" in findings_of(found, ROLLOUT, 100.0)[0].reason
    traefik.stop()
    time.sleep(_STALE_SECONDS + 1)
    assert read(source).gateway == "lost"
