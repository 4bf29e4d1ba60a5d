"""The Prometheus source against a real Prometheus that scrapes real pages; `prometheus` has to be on the PATH."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from components.spec.contract import Rollout
from services.judge.errors import SourceError
from services.judge.evidence.counts import Evidence
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.prometheus import PrometheusSource
from services.judge.evidence.sources import fetch
from services.judge.shadow.series import InShadow
from services.judge.shadow.sources import PrometheusShadows
from services.judge.verdict import judge
from services.judge.webhook import Subject
from tests.patience import patient, patient_deadline
from tests.services.judge.pages import replica_page, served
from tests.services.judge.shadow.page_server import about
from tests.services.judge.shadow.page_server import page as shadow_page

pytestmark = pytest.mark.charts

CHURN = Subject("churn", "models")
ROLLOUT = Rollout(deadline_minutes=1)
CONFIG = """
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
  - job_name: pods
    file_sd_configs: [{files: [targets.json], refresh_interval: 100ms}]
"""


class Pods:
    """The pages of pods by name; Prometheus is told of changes by its file of targets."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._pages: dict[str, str] = {}
        self._targets: dict[str, dict[str, object]] = {}

    def set(self, pod: str, page: str, namespace: str = "models") -> None:
        self._pages[pod] = page
        if pod not in self._targets:
            address = self._stack.enter_context(served(lambda _: (200, self._pages[pod])))
            self._targets[pod] = {"targets": [address], "labels": {"pod": pod, "namespace": namespace}}
            self._write()

    def weight(self, weight: float) -> None:
        page = f'flagger_canary_weight{{workload="churn",namespace="models"}} {weight}\n'
        page += f'flagger_canary_weight{{workload="churn-primary",namespace="models"}} {100 - weight}\n'
        self.set("flagger-6d5f-x2x2x", page, "flagger-system")

    def remove(self, pod: str) -> None:
        del self._targets[pod]
        self._write()

    def _write(self) -> None:
        new = self._folder / "targets.new"
        new.write_text(json.dumps(list(self._targets.values())), encoding="utf-8")
        new.replace(self._folder / "targets.json")


class Server:
    """A Prometheus and what it scrapes."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.pods = Pods(folder, stack)
        self.pods.weight(0)
        (folder / "prometheus.yml").write_text(CONFIG, encoding="utf-8")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
        )  # fmt: skip
        stack.callback(self.stop)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(patient(20))

    def wait_for(self, query: str, value: float) -> None:
        """Until a query gives this number; then once more, so that the sample is not the last of its kind."""
        deadline = patient_deadline(30)
        while time.monotonic() < deadline:
            if self._value(query) == value:
                break
            time.sleep(0.05)
        else:
            raise TimeoutError(f"{query} is {self._value(query)}, not {value}")
        later = time.time() + 0.5
        while time.time() < later:
            time.sleep(0.05)

    def _value(self, query: str) -> float | None:
        try:
            found = json.loads(fetch(f"{self.url}/api/v1/query?query={query}", 2))["data"]["result"]
        except SourceError:
            return None
        return float(found[0]["value"][1]) if found else None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    assert shutil.which("prometheus"), "put prometheus on the PATH"
    with ExitStack() as stack:
        yield Server(tmp_path, stack)


def source(server: Server) -> PrometheusSource:
    return PrometheusSource(server.url, time.time)


def read(found: PrometheusSource, now: float | None = None) -> Evidence:
    async def go() -> None:
        await found.follow(CHURN, ROLLOUT)
        await found.refresh()

    asyncio.run(go())
    return evidence_at(found.series(CHURN), now or time.time(), 5)


def canary(requests: int, **more: object) -> str:
    return replica_page(requests, version="2", package="sha256:two", champion="sha256:one", **more)  # type: ignore[arg-type]


CANARY, CHAMPION, SECOND = "churn-7d9f4-x2x2x", "churn-primary-5f6d7-b4b4b", "churn-primary-5f6d7-c5c5c"
ALL = "sum(canario_requests_total)"


def begin(server: Server) -> None:
    """A canary and two champions at a weight of 10, each of which has counted something before."""
    for pod, page in ((CANARY, canary(7)), (CHAMPION, replica_page(1000)), (SECOND, replica_page(2000))):
        server.pods.set(pod, page)
    server.wait_for(ALL, 3007)
    server.pods.weight(10)
    server.wait_for('flagger_canary_weight{workload="churn"}', 10)


def test_increases_add_up_over_replicas_restarts_and_lost_pods(server: Server) -> None:
    """Increases since the rollout began add up over replicas, restarts and pods that are gone."""
    begin(server)
    follower = source(server)
    read(follower)
    server.pods.set(CANARY, canary(107, errors=4))
    server.pods.set(CHAMPION, replica_page(1400))
    server.pods.set(SECOND, replica_page(2500))
    server.wait_for(ALL, 4007)
    server.pods.remove(SECOND)  # scaled down: its 500 stay
    server.pods.set(CANARY, canary(20))  # restarted: 20 more
    server.wait_for(ALL, 1420)
    server.pods.set("churn-shadow-5f6d7-b4b4b", canary(9999))  # neither side's
    server.pods.set("churn-7d9f4-z9z9z", canary(0), "elsewhere")  # another namespace's
    server.wait_for(ALL, 11419)
    found = read(follower)
    assert found.problems == ()
    (stratum,) = found.strata
    assert (stratum.weight, stratum.canary.requests, stratum.champion.requests) == (10, 120, 900)
    assert stratum.canary.errors == 4
    now = time.time()
    assert read(source(server), now).strata == read(follower, now).strata  # a replica that has just started
    server.pods.weight(20)
    server.wait_for('flagger_canary_weight{workload="churn"}', 20)
    server.pods.set(CANARY, canary(50))
    server.wait_for(ALL, 11449)
    assert [(stratum.weight, stratum.canary.requests) for stratum in read(follower).strata] == [(10, 120), (20, 30)]


def test_what_is_missing_is_undecided_at_the_deadline(server: Server) -> None:
    begin(server)
    server.pods.set(CANARY, canary(307, leave_out=("canario_errors_total",)))
    server.pods.set(CHAMPION, replica_page(4000))
    server.wait_for(ALL, 6307)
    follower = source(server)
    assert _said(read(follower)) == ("wait", "error_ratio cannot be judged: the canary's counters for it are missing")
    server.pods.remove(CANARY)
    server.wait_for("count(canario_requests_total)", 2)
    read(follower)
    after = evidence_at(follower.series(CHURN), time.time() + 61, 200)
    assert _said(after)[0] == "undecided"
    server.stop()
    assert "cannot be read" in _said(read(follower))[1]
    gone = evidence_at(follower.series(CHURN), time.time() + 61, 200)
    assert _said(gone) == ("undecided", "no decision within the deadline of 1 minutes, for want of evidence")


def _said(evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the beginning of its reason."""
    found = judge(evidence, ROLLOUT)
    reason = found.reason.partition(": ")[2]
    if found.verdict == "wait":
        reason = reason.partition(": ")[2]  # after the headline
    return found.verdict, reason.partition(" (")[0].partition(";")[0]


def test_no_traffic_and_no_server_are_no_pass(server: Server) -> None:
    begin(server)
    verdict, reason = _said(read(source(server)))
    assert (verdict, reason) == ("wait", "error_ratio cannot be judged: the canary has answered no request yet")


def test_pairs_in_the_shadow_count_since_the_candidate_came(server: Server) -> None:
    """What champions compared since the candidate came adds up, over restarts and for a judge that has just started."""
    compared = "sum(canario_shadow_compared_total)"
    server.pods.set(CHAMPION, shadow_page(compared=100, different=0))
    server.wait_for(compared, 100)
    server.pods.set(CANARY, about("2", "sha256:two", "sha256:one"))
    server.wait_for(
        'canario_model_info{version="2",package="sha256:two",champion="sha256:one",pod="' + CANARY + '"}', 1
    )
    server.pods.set(CHAMPION, shadow_page(compared=300, different=0))
    server.pods.set(SECOND, shadow_page(compared=40, different=0))
    server.wait_for(compared, 340)
    server.pods.set(CHAMPION, shadow_page(compared=20, different=0))  # restarted: 20 more
    server.wait_for(compared, 60)

    async def go(shadows: PrometheusShadows) -> InShadow:
        await shadows.follow(CHURN, ROLLOUT)
        await shadows.refresh()
        return shadows.now(CHURN)

    first, again = (asyncio.run(go(PrometheusShadows(server.url, time.time))) for _ in range(2))
    assert (first.version, first.seen.champion, first.problems, first.copies) == ("2", "1", (), True)
    assert first.seen.pairs.compared == again.seen.pairs.compared == 200 + 40 + 20
    assert first.seen.holdout is not None
