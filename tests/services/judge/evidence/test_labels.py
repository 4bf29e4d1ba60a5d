"""Labels belong to the weight of their answers, are of the same age on both sides, and need replicas that tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.judge.evidence.counts import LOSSES, Evidence
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.labels import LabelledAnswers, labelled_answers
from services.judge.evidence.series import Replica, Series
from services.judge.evidence.warming import Timing
from tests.services.judge.evidence.told import LABEL_SECONDS, Told, replica, scraped, weights

GONE = 75.0
#: Right answers are known at once, and wrong ones after 200 s.
LATE = (0.0, 200.0)
CANARY, CHAMPION = Told("canary", 10.0, since=100, delays=LATE), Told("champion", 90.0, delays=LATE)
RIGHT, WRONG = 0, LOSSES - 1


def told(series: Series, now: float, mature: float = 0.0) -> LabelledAnswers:
    began = series.began()
    assert began is not None
    champions, canaries = ([one for _, one in series.side(role)] for role in ("champion", "canary"))
    found = labelled_answers(series, began, champions, canaries, now, GONE, mature)
    assert found is not None
    return found


def losses(found: LabelledAnswers, weight: float) -> list[tuple[float, float]]:
    """By side, champion first: the right and the wrong answers at a weight."""
    return [(float(side.losses[RIGHT]), float(side.losses[WRONG])) for side in found.at(weight)]


def steady(end: int = 500) -> Series:
    return scraped(weights({0: 0, 100: 10}, end), {"a": CANARY, "b": CHAMPION}, range(0, end + 1, 10))


def test_a_label_counts_under_the_weight_of_its_answer() -> None:
    """The wrong answers of 10 % become known only after the weight rose to 50 %, and count for 10 % all the same."""
    known = weights({0: 0, 100: 10, 200: 50}, 400)
    found = told(scraped(known, {"a": CANARY, "b": CHAMPION}, range(0, 401, 10)), 400)
    # Slots from 100 to 190 at 10 % (the reading at 199 is the last), and from 200 to 400 at 50 %.
    assert losses(found, 10.0) == [(90 * 45, 90 * 45), (10 * 45, 10 * 45)]
    assert losses(found, 50.0) == [(90 * 100, 0), (10 * 100, 0)]


def test_no_label_is_from_before_the_rollout() -> None:
    """At 200 the champion's wrong answers of before 100 are known, and none of the canary's."""
    assert losses(told(steady(200), 200), 10.0) == [(90 * 50, 0), (10 * 50, 0)]


def test_a_slot_that_straddles_a_raise_counts_for_nobody() -> None:
    known = weights({0: 0, 100: 10, 205: 50}, 300)
    found = told(scraped(known, {"a": CANARY, "b": CHAMPION}, range(0, 301, 10)), 300)
    assert losses(found, 10.0) == [(90 * 50, 0), (10 * 50, 0)]
    assert losses(found, 50.0) == [(90 * 45, 0), (10 * 45, 0)]


def test_both_sides_are_seen_at_one_time() -> None:
    """The canary was last read 30 s before the champion: neither has labels that came later than that."""
    known = steady()
    known.replicas["a"] = replica(CANARY, range(0, 471, 15))
    known.replicas["b"] = replica(CHAMPION, range(7, 501, 15))
    champion, canary = losses(told(known, 500), 10.0)
    assert champion == pytest.approx((9 * canary[0], 9 * canary[1]), rel=0.01)
    assert canary == pytest.approx((10 * 180, 5 * 165))


def test_what_came_after_the_other_was_read_would_count() -> None:
    """The negative twin: their last pages alone give the champion 28 s more of wrong answers."""
    last = {told.role: told.at(at).slotted for told, at in ((CANARY, 465), (CHAMPION, 493))}
    ours, theirs = (sum(row[WRONG] for slot, row in last[side].labels.items() if slot >= 10) for side in last)  # type: ignore[union-attr]
    assert theirs > 9 * ours * 1.1


def test_an_answer_counts_once_it_is_mature() -> None:
    found = told(steady(), 500, mature=200.0)
    assert losses(found, 10.0) == [(90 * 100, 90 * 100), (10 * 100, 10 * 100)]
    assert found.immature == 100 * 200
    assert told(steady(), 500).immature == 0


def test_the_share_is_that_of_the_answers_that_are_remembered() -> None:
    """It is rounded, so that it seldom moves; it is unknown while one side remembers nothing."""
    share = told(steady(), 500).share(10.0)
    assert share == pytest.approx(10.0, rel=0.05)
    known = steady()
    known.replicas["a"] = replica(replace(CANARY, rate=4.0), range(0, 501, 10))
    assert told(known, 500).share(10.0) == pytest.approx(100 * 4 / 94, rel=0.05)
    assert told(known, 500).share(50.0) is None


@pytest.mark.parametrize("side", ["champion", "canary"])
def test_a_replica_that_tells_nothing_has_labels_count_as_before(side: str) -> None:
    """It was made before, so labels count at the time at which they come, and the reason says so."""
    known = steady()
    one = {"champion": CHAMPION, "canary": CANARY}[side]
    known.replicas["old"] = replica(replace(one, tells=False), range(0, 501, 10))
    found = evidence_at(known, 500, GONE)
    assert found.remarks == ("labels count when they come, for a replica does not tell when their answers were given",)
    assert (found.strata[0].labelled, found.strata[0].arrived) == (None, None)
    assert evidence_at(steady(), 500, GONE).remarks == ()


@pytest.mark.parametrize("side", ["champion", "canary"])
def test_a_side_that_was_started_anew_is_compared_at_its_age(side: str) -> None:
    """It remembers answers since 300 alone, whose wrong ones are known of few; the other side's count alike."""
    known = steady()
    before = {"champion": CHAMPION, "canary": CANARY}[side]
    name = {"champion": "b", "canary": "a"}[side]
    known.replicas[name] = replica(before, range(0, 301, 10))
    known.replicas["new"] = replica(replace(before, since=300), range(300, 501, 10))
    champion, canary = losses(told(known, 500), 10.0)
    assert champion == pytest.approx((9 * canary[0], 9 * canary[1]))
    assert canary == pytest.approx((10 * 100, 0))


def test_a_process_started_anew_has_forgotten_its_answers() -> None:
    """The same where the replica keeps its name; the slot in which it was started may count in full."""
    known, anew = steady(), replace(CHAMPION, since=300)
    one = known.replicas["b"] = Replica("champion")
    for at in range(0, 501, 10):
        one.add(at, CHAMPION.at(at) if at < 300 else anew.at(at))
    champion, canary = losses(told(known, 500), 10.0)
    assert champion == pytest.approx((90 * 100, 0))
    assert canary == pytest.approx((10 * 100, 0), abs=50)


def test_one_of_two_that_is_gone_leaves_half() -> None:
    known, half = steady(), replace(CHAMPION, rate=45.0)
    known.replicas["b"] = replica(half, range(0, 501, 10))
    known.replicas["gone"] = replica(half, range(0, 301, 10))
    known.replicas["new"] = replica(replace(half, since=300), range(300, 501, 10))
    champion, canary = losses(told(known, 500), 10.0)
    assert champion == pytest.approx((9 * canary[0], 9 * canary[1]))
    assert canary == pytest.approx((5 * 100 + 5 * 200, 5 * 100))


def test_the_labels_of_a_moment_ago_are_found_again() -> None:
    """A rollout that was ended a minute ago is judged by what was known then, however often pages are read."""
    known = scraped(weights({0: 0, 100: 10}, 400), {"a": CANARY, "b": CHAMPION}, range(401))
    then = Series(known.weight_times[:341], known.weights[:341], known.replicas)
    assert losses(told(then, 340), 10.0) == [(90 * 120, 90 * 20), (10 * 120, 10 * 20)]


def test_the_labels_of_long_ago_are_those_known_longest() -> None:
    """Only the pages of the last minutes are kept; the oldest of them tells more than was known, and to both sides."""
    known = scraped(weights({0: 0, 100: 10}, 700), {"a": CANARY, "b": CHAMPION}, range(0, 701, 10))
    then = Series(known.weight_times[:341], known.weights[:341], known.replicas)
    champion, canary = losses(told(then, 340), 10.0)
    assert champion == (9 * canary[0], 9 * canary[1])
    assert canary[0] == 10 * 120


def test_labels_that_count_since_a_moment_are_of_later_answers() -> None:
    (found,) = evidence_at(steady(), 500, GONE, Timing(moment_seconds=100.0)).strata
    labels = [sum(canary.losses or ()) for _, canary in found.later]
    assert labels == sorted(labels, reverse=True)
    assert labels[0] < sum(found.canary.losses or ())


def seen(found: Evidence) -> list[np.ndarray[tuple[int], np.dtype[np.float64]]]:
    return [np.array(side.losses) for stratum in found.strata for side in (stratum.champion, stratum.canary)]


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(1, 499), max_size=60), st.sets(st.integers(1, 499), max_size=60))
def test_labels_do_not_depend_on_the_scrapes(ours: set[int], theirs: set[int]) -> None:
    """However often pages were read while the weight was steady, the labels of its answers are the same."""
    known, often = weights({0: 0, 100: 10}, 500), {0, 110, 500}
    known.replicas = {"a": replica(CANARY, sorted(often | ours)), "b": replica(CHAMPION, sorted(often | theirs))}
    for found, expected in zip(
        seen(evidence_at(known, 500, GONE)), seen(evidence_at(steady(), 500, GONE)), strict=True
    ):
        assert found == pytest.approx(expected)


def test_the_slots_of_this_file_are_as_its_figures_need_them() -> None:
    assert LABEL_SECONDS == 10
