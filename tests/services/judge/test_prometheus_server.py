"""The Prometheus source against a real Prometheus that scrapes real pages; `prometheus` has to be on the PATH."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from components.spec.contract import Rollout
from services.judge.evidence.counts import Evidence
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.prometheus import PrometheusSource
from services.judge.shadow.series import InShadow
from services.judge.shadow.sources import PrometheusShadows
from services.judge.verdict import judge
from services.judge.webhook import Subject
from tests.services.judge.pages import replica_page
from tests.services.judge.prometheus_server import Server
from tests.services.judge.shadow.page_server import about
from tests.services.judge.shadow.page_server import page as shadow_page

pytestmark = pytest.mark.charts

CHURN = Subject("churn", "models")
ROLLOUT = Rollout(deadline_minutes=1)


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
