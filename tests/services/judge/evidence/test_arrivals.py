"""The requests that reached each side, by weight: replicas that come, go, start anew, and are not known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services import telemetry
from services.judge.evidence.arrivals import Arrivals, arrivals
from services.judge.evidence.series import Replica, Series
from tests.services.judge.evidence.told import Told, replica, scraped, weights

GONE = 75.0
CANARY, CHAMPION = Told("canary", 10.0, since=100), Told("champion", 90.0)


def counted(series: Series, now: float) -> Arrivals | None:
    began = series.began()
    assert began is not None
    champions, canaries = ([one for _, one in series.side(role)] for role in ("champion", "canary"))
    return arrivals(series, began, champions, canaries, now, GONE)


def steady(end: int = 300, every: int = 15) -> Series:
    """10 % of the traffic from 100 on; the champion is older than the first sample."""
    return scraped(weights({0: 0, 100: 10}, end), {"a": CANARY, "b": CHAMPION}, range(0, end + 1, every))


def at_ten(found: Arrivals | None) -> tuple[float, float]:
    """The champion's and the canary's requests where there was one weight, of 10 %."""
    assert found is not None
    assert list(found) == [10.0]
    return found[10.0]


def share(found: Arrivals | None, weight: float = 10.0) -> float:
    assert found is not None
    champion, canary = found[weight]
    return canary / (champion + canary)


def test_both_sides_count_at_the_same_moments() -> None:
    """From 5 s after the weight rose to the last sample, less 2 s in which requests are still being answered."""
    found = counted(steady(), 300)
    # Slots of 2 s from 106 to 298.
    assert at_ten(found) == pytest.approx((90 * 192, 10 * 192))


def test_a_slot_that_straddles_a_raise_counts_for_nobody() -> None:
    known = scraped(weights({0: 0, 100: 10, 201: 50}, 300), {"a": CANARY, "b": CHAMPION}, range(0, 301, 15))
    found = counted(known, 300)
    assert found is not None
    # Until the slot that ends at 200, the last reading of the old weight; and from 206 on.
    assert found[10.0] == pytest.approx((90 * 94, 10 * 94))
    assert found[50.0] == pytest.approx((90 * 92, 10 * 92))


def test_a_replica_that_does_not_tell_makes_arrivals_unknown() -> None:
    known = steady()
    known.replicas["c"] = replica(Told("champion", 5.0, tells=False), range(0, 301, 15))
    assert counted(known, 300) is None


@pytest.mark.parametrize("side", ["canary", "champion"])
def test_a_replica_that_vanishes_takes_its_last_requests_along(side: str) -> None:
    """The moments after its last sample are left out for both sides, so the share stays what it was."""
    known = steady()
    both = {"canary": Told("canary", 10.0, since=100), "champion": Told("champion", 90.0, since=100)}
    gone = replica(both[side], range(105, 181, 15))
    known.replicas["gone"] = gone
    found = counted(known, 300)
    assert found is not None
    champion, canary = found[10.0]
    # 106 to 178 with it, not known until it missed 3 scrapes at 225, and 226 to 298 without it.
    assert (champion, canary) == (90 * 144 + 90 * 72 * (side == "champion"), 10 * 144 + 10 * 72 * (side == "canary"))


def test_a_replica_that_appears_had_no_requests_before() -> None:
    known = steady()
    known.replicas["new"] = replica(Told("canary", 10.0, since=200), range(210, 301, 15))
    assert at_ten(counted(known, 300)) == pytest.approx((90 * 192, 10 * 192 + 10 * 98))


def test_a_replica_first_read_late_is_not_known_before() -> None:
    """The negative twin: it had counted more requests than its first page tells of, so it was there before."""
    known = steady()
    known.replicas["old"] = replica(Told("canary", 10.0, since=100), range(210, 301, 15))
    found = counted(known, 300)
    # Its first page tells of the slots from 154 on.
    assert at_ten(found) == pytest.approx((90 * 144, 20 * 144))


def test_a_replica_that_was_started_anew_has_forgotten() -> None:
    """What its new process did not count stays as it was known; the moments in between are not known."""
    known = steady()
    one = Replica("canary")
    for at in range(0, 301, 15):
        one.add(at, CANARY.at(at) if at < 200 else Told("canary", 10.0, since=200).at(at))
    known.replicas["a"] = one
    found = counted(known, 300)
    assert share(found) == pytest.approx(0.1)
    # 106 to 194 from the first process; 210 to 298 from the second, which was first read at 210.
    assert at_ten(found) == pytest.approx((90 * 176, 10 * 176))


def test_moments_between_pages_far_apart_are_not_known() -> None:
    """A ring that came round between two pages tells only of its last minute."""
    known = steady(every=100)
    found = counted(known, 300)
    assert share(found) == pytest.approx(0.1)
    assert found is not None
    assert sum(found[10.0]) < 100 * 130


def test_a_replica_that_serves_and_cannot_be_read_loses_nothing() -> None:
    """A second canary replica takes half of its side's requests; its last page is of 200, and it is there until 300."""
    known = steady()
    half = replace(CANARY, rate=CANARY.rate / 2)
    known.replicas = {"b": replica(CHAMPION, range(0, 301, 15)), "a": replica(half, range(0, 301, 15))}
    known.replicas["c"] = replica(half, range(0, 201, 10))
    gone = counted(known, 300)
    known.replicas["c"].there_until = 300
    there = counted(known, 300)
    assert share(gone) < 0.09
    assert share(there) == pytest.approx(0.1)


def test_a_pause_in_which_nobody_is_read_tells_nothing() -> None:
    """Unlike servers that never tell, it leaves the signal without data, which holds a rollout back."""
    assert counted(steady(every=10), 500) == {}


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(101, 299), min_size=4, max_size=60), st.sets(st.integers(101, 299), max_size=60))
def test_arrivals_do_not_depend_on_the_scrapes(ours: set[int], theirs: set[int]) -> None:
    """However often each side is scraped, no more than 50 s apart, all the requests are counted once."""
    often = set(range(0, 301, 50))
    known = weights({0: 0, 100: 10}, 300)
    known.replicas = {"a": replica(CANARY, sorted(often | ours)), "b": replica(CHAMPION, sorted(often | theirs))}
    assert at_ten(counted(known, 300)) == pytest.approx((90 * 192, 10 * 192))


def test_the_slots_are_those_of_the_servers() -> None:
    """The figures of this file are made for these slots."""
    assert (telemetry.ARRIVED_SECONDS, telemetry.ARRIVED_SLOTS) == (2, 32)
