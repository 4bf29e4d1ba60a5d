"""What a cluster does to a rollout, and that none of it is held against the canary."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.judge.evidence.gathering import evidence_at
from services.judge.simulate.fleet import Side, SimulatedNodes
from services.judge.simulate.operations import Operations
from services.judge.simulate.rollouts import FAILED, PROMOTED
from services.judge.simulate.scraped import ScrapedCase, _Traffic, play_scraped
from services.judge.webhook import Subject


def sides(replicas: int = 2) -> tuple[Side, Side]:
    rng = np.random.default_rng(1)
    return tuple(Side(role, replicas, rng, None, SimulatedNodes()) for role in ("champion", "canary"))  # type: ignore[return-value]


def names(side: Side) -> list[str]:
    return [replica.name for replica in side.replicas]


def test_a_rolling_restart_replaces_one_champion_after_another() -> None:
    champion, canary = sides()
    for now in range(100, 200):
        Operations(restarted_at=120).before(now, champion, canary)
    assert (names(champion), names(canary)) == (["champion-3", "champion-4"], ["canary-1", "canary-2"])


def test_replicas_follow_the_load() -> None:
    champion, canary = sides(1)
    numbers = set()
    for now in range(600):
        Operations(scaled=True).before(now, champion, canary)
        numbers.add(len(canary.replicas))
    assert numbers == {2, 3}


def test_a_replica_that_is_not_ready_gets_no_requests() -> None:
    champion, canary = sides()
    Operations(unready=60).before(120, champion, canary)
    assert [one.ready for one in canary.replicas] == [False, True]
    Operations(unready=60).before(160, champion, canary)
    assert all(one.ready for one in (*canary.replicas, *champion.replicas))


def arrived(operations: Operations, scrape_seconds: int = 15) -> tuple[float, float]:
    """The requests that reached the two sides at 50 %, as the judge counts them."""
    case = ScrapedCase("x", "error_ratio", 0.0, 1000, scrape_seconds, replicas=2, operations=operations)
    traffic = _Traffic(case, np.random.default_rng(2))
    for weight, seconds in ((0.0, 40), (50.0, 300)):
        traffic.give(weight)
        for _ in range(seconds):
            traffic.second()
    (found,) = evidence_at(traffic.series(Subject("x")), traffic.now, 75).strata
    assert found.arrived is not None
    return found.arrived


@pytest.mark.parametrize(
    "operations",
    [
        Operations(),
        Operations(clocks=3.0),
        Operations(missed=0.3),
        Operations(restarted_at=150),
        Operations(scaled=True, bursts=True, unready=60),
    ],
)
def test_no_side_loses_requests_by_what_a_cluster_does(operations: Operations) -> None:
    champion, canary = arrived(operations)
    assert champion > 40_000
    assert canary == pytest.approx(champion, abs=4 * (canary + champion) ** 0.5)


@pytest.mark.parametrize("fails_at", [91, 210, 276])
def test_a_failure_of_both_sides_fails_no_good_canary(fails_at: int) -> None:
    case = ScrapedCase("x", "error_ratio", 0.0, 1000, 15, operations=Operations(fails_at=fails_at))
    assert all(play_scraped(case, seed).fate == PROMOTED for seed in (1, 3))


def test_a_failure_of_both_sides_hides_no_harm() -> None:
    """The negative twin: a canary with twice the margin more errors is failed all the same."""
    case = ScrapedCase("x", "error_ratio", 2.0, 1000, 15, operations=Operations(fails_at=210))
    assert all(play_scraped(replace(case, above=40), seed).fate == FAILED for seed in (1, 3))
