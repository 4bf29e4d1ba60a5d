"""Latency is not judged while a version warms up, and counts otherwise."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from services.judge.evidence.counts import Evidence
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.series import Replica, Series
from services.judge.evidence.warming import Timing, warm_from
from tests.services.judge.builders import counts
from tests.services.judge.evidence.told import Told, replica, scraped, weights

STALE = 60.0
CANARY, CHAMPION = Told("canary", 10.0, since=100), Told("champion", 90.0)
LOOKS = Timing(look_seconds=30.0)


def steady(changes: dict[float, float] | None = None, end: int = 400) -> Series:
    return scraped(weights(changes or {0: 0, 100: 10}, end), {"a": CANARY, "b": CHAMPION}, range(0, end + 1, 10))


def timed(found: Evidence) -> dict[float, tuple[float | None, float | None]]:
    """The canary's and the champion's requests whose latency is judged, by weight."""
    return {each.weight: (each.canary.timed, each.champion.timed) for each in found.strata}


def test_latency_is_not_judged_in_two_looks_after_a_raise() -> None:
    found = timed(evidence_at(steady({0: 0, 100: 10, 200: 50}), 400, STALE, LOOKS))
    # At 10 % from 160 to 190, the last sample before the reading at 199; at 50 % from 260 to 400.
    assert found == {10.0: (10 * 30, 90 * 30), 50.0: (10 * 140, 90 * 140)}


def test_everything_else_counts_while_it_warms_up() -> None:
    found = evidence_at(steady({0: 0, 100: 10, 200: 50}), 400, STALE, LOOKS)
    assert {each.weight: each.canary.requests for each in found.strata} == {10.0: 10 * 90, 50.0: 10 * 200}


def test_without_looks_all_latency_counts() -> None:
    assert timed(evidence_at(steady(), 400, STALE)) == {10.0: (10 * 300, 90 * 300)}


def test_slow_requests_are_left_out_with_their_wholes() -> None:
    """A version that is slow for good is as slow afterwards; one that was slow at first is not."""
    known = steady()
    one = Replica("canary")
    for at in range(0, 401, 10):
        slow = 10.0 * min(max(at - 100, 0), 60)
        page = CANARY.at(at)
        one.add(at, replace(page, counts=replace(page.counts, slow=slow, slower=(slow, slow, slow, 0.0))))
    known.replicas["a"] = one
    canary = evidence_at(known, 400, STALE, LOOKS).strata[0].canary
    assert (canary.slow, canary.timed, canary.slower) == (0, 10 * 240, (0, 0, 0, 0))
    assert evidence_at(known, 400, STALE).strata[0].canary.slow == 600


def test_the_canarys_first_requests_are_not_judged() -> None:
    """200 requests at 10 a second are over after 20 s; the champion is left out as long."""
    found = timed(evidence_at(steady(), 400, STALE, Timing(warm_requests=200.0)))
    assert found == {10.0: (10 * 280, 90 * 280)}
    assert timed(evidence_at(steady(), 400, STALE, Timing(warm_requests=1e6))) == {10.0: (0, 0)}


def test_the_first_requests_are_those_of_all_replicas() -> None:
    both = [replica(replace(CANARY, rate=rate), range(0, 401, 10)) for rate in (15.0, 5.0)]
    assert warm_from(100, both, Timing(warm_requests=200.0)) == 110
    assert warm_from(100, both, Timing(warm_requests=201.0)) == 120
    assert warm_from(100, both, Timing()) == 100
    assert warm_from(100, [], Timing(warm_requests=1.0)) == math.inf


@pytest.mark.parametrize("side", ["canary", "champion"])
def test_a_replica_that_is_new_is_not_judged_for_two_looks(side: str) -> None:
    known, one = steady(), {"canary": CANARY, "champion": CHAMPION}[side]
    known.replicas["new"] = replica(replace(one, since=200), range(200, 401, 10))
    found = timed(evidence_at(known, 400, STALE, LOOKS))[10.0]
    extra = one.rate * 140
    assert found == (10 * 240 + extra * (side == "canary"), 90 * 240 + extra * (side == "champion"))


def test_a_process_that_is_new_is_not_judged_for_two_looks() -> None:
    known, one = steady(), Replica("canary")
    for at in range(0, 401, 10):
        one.add(at, CANARY.at(at) if at < 200 else replace(CANARY, since=195).at(at))
    known.replicas["a"] = one
    # From 160 to 190 and from 260 to 400; the step from 190 to 200 holds its first requests.
    assert timed(evidence_at(known, 400, STALE, LOOKS))[10.0] == (10 * 30 + 10 * 140, 90 * 240)


def test_requests_that_are_missing_stay_missing() -> None:
    known, one = steady(), Replica("canary")
    for at in range(0, 401, 10):
        one.add(at, replace(CANARY.at(at), counts=replace(counts(10.0 * max(at - 100, 0)), slow=None)))
    known.replicas["a"] = one
    assert evidence_at(known, 400, STALE, LOOKS).strata[0].canary.slow is None
