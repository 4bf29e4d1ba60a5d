"""From samples to strata: which step belongs to which weight, restarts, and what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.spec.contract import SCORE_EDGES, Harm, Rollout
from services.judge.evidence.counts import MOMENTS, Counts, Evidence, HoldoutShift
from services.judge.evidence.exposition import Reading
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.series import Replica, Role, Series
from services.judge.evidence.warming import Timing
from services.judge.verdict import judge
from tests.services.judge.builders import HOLDOUT, counts

STALE = 10.0
ERRORS_ONLY = Rollout(harm=Harm(slow_ratio=None, score_shift=None, label_loss=None, lost_ratio=None))


def reading(requests: float, errors: float = 0, version: str = "2", **more: str | HoldoutShift | None) -> Reading:
    known = Reading(counts(requests, errors), version, package="sha256:new", champion="sha256:old", holdout=HOLDOUT)
    return replace(known, **more)  # type: ignore[arg-type]


def champion_reading(requests: float, errors: float = 0) -> Reading:
    return reading(requests, errors, version="1", package="sha256:old", champion="")


def series(
    weights: list[tuple[float, float]], canary: list[tuple[float, Reading]], champion: list[tuple[float, Reading]]
) -> Series:
    found = Series()
    for at, weight in weights:
        found.add_weight(at, weight)
    sides: list[tuple[Role, list[tuple[float, Reading]]]] = [("canary", canary), ("champion", champion)]
    for role, samples in sides:
        replica = found.replicas[role] = Replica(role)
        for at, sample in samples:
            replica.add(at, sample)
    return found


def steady(end: int, *, weight: float = 10) -> Series:
    """Weight 0 until 2, then `weight`; the canary counts 10 a second, the champion 90."""
    times = range(end + 1)
    return series(
        [(at, 0 if at < 3 else weight) for at in times],
        [(at, reading(10 * max(at - 3, 0))) for at in times],
        [(at, champion_reading(1000 + 90 * at)) for at in times],
    )


def changed(replica: Replica, change: Callable[[Counts], Counts]) -> Replica:
    """The replica as it would have counted."""
    other = Replica(replica.role)
    for at, one in zip(replica.times, replica.readings, strict=True):
        other.add(at, replace(one, counts=change(one.counts)))
    return other


def requests_by_weight(found: Evidence) -> dict[float, tuple[float | None, float | None]]:
    return {s.weight: (s.canary.requests, s.champion.requests) for s in found.strata}


def test_a_rollout_begins_when_the_weight_rises_from_zero() -> None:
    """A rollout begins when the weight rises from zero, and nothing before counts."""
    found = evidence_at(steady(13), 13, STALE)
    assert (found.weight, found.elapsed_seconds, found.problems) == (10, 10, ())
    assert requests_by_weight(found) == {10: (100, 900)}


def test_an_interval_with_a_change_of_weight_is_left_out() -> None:
    """An interval between samples in which the weight changed is left out on both sides."""
    known = steady(13)
    known.weights[8:] = [20.0] * 6
    found = requests_by_weight(evidence_at(known, 13, STALE))
    assert found == {10: (40, 360), 20: (50, 450)}


def test_a_step_counts_only_once_the_weight_was_read_after_it() -> None:
    known = steady(13)
    del known.weight_times[-1], known.weights[-1]
    assert requests_by_weight(evidence_at(known, 13, STALE)) == {10: (90, 810)}


def test_a_rollout_ends_with_its_weight_and_the_next_starts_anew() -> None:
    """A rollout ends when its weight is taken away, and a second rollout starts afresh."""
    known = steady(13)
    known.add_weight(14, 0)
    assert evidence_at(known, 14, STALE).strata == ()
    known.add_weight(15, 10)
    found = evidence_at(known, 15, STALE)
    assert (found.strata, found.elapsed_seconds) == ((), 0)


def test_a_replica_that_was_restarted_counts_from_zero() -> None:
    known = steady(8)
    for at, requests in ((9, 4), (10, 14)):
        known.add_weight(at, 10)
        known.replicas["canary"].add(at, reading(requests))
        known.replicas["champion"].add(at, champion_reading(1000 + 90 * at))
    assert requests_by_weight(evidence_at(known, 10, STALE)) == {10: (50 + 14, 630)}


def test_replicas_add_up_also_those_that_are_gone() -> None:
    """Replicas add up, and a replica that is gone keeps the requests that it counted."""
    known = steady(13)
    gone = known.replicas["gone"] = Replica("canary")
    for at in range(3, 8):
        gone.add(at, reading(5 * at))
    assert requests_by_weight(evidence_at(known, 13, STALE)) == {10: (120, 900)}


def test_a_late_replica_counts_from_its_first_sample() -> None:
    """A replica that appears late counts from its first sample."""
    known = steady(13)
    late = known.replicas["late"] = Replica("canary")
    late.add(10, reading(700))
    late.add(13, reading(706))
    assert requests_by_weight(evidence_at(known, 13, STALE)) == {10: (106, 900)}


def test_an_earlier_canary_is_no_evidence_about_this_one() -> None:
    known = steady(13)
    other = known.replicas["other"] = Replica("canary")
    for at in range(3, 10):
        other.add(at, reading(100 * at, errors=50 * at, version="1.5"))
    assert requests_by_weight(evidence_at(known, 13, STALE)) == {10: (100, 900)}


@given(st.lists(st.integers(4, 12), unique=True, max_size=8))
def test_missed_samples_lose_nothing_while_the_weight_stays(missed: list[int]) -> None:
    """Samples that were missed lose nothing while the weight stays the same."""
    known = steady(13)
    canary = known.replicas["canary"]
    known.replicas["canary"] = Replica("canary")
    for at, one in zip(canary.times, canary.readings, strict=True):
        if at not in missed:
            known.replicas["canary"].add(at, one)
    assert requests_by_weight(evidence_at(known, 13, STALE)) == {10: (100, 900)}


def test_a_counter_that_is_missing_stays_missing() -> None:
    known = steady(13)
    known.replicas["canary"] = changed(known.replicas["canary"], lambda one: replace(one, errors=None))
    found = evidence_at(known, 13, STALE)
    assert found.strata[0].canary.errors is None
    assert found.strata[0].canary.requests == 100


def test_what_cannot_be_read_any_more_is_a_problem() -> None:
    found = evidence_at(steady(13), 60, STALE)
    assert found.problems == (
        "the canary's weight was last read 47 s ago",
        "no replica of the canary could be read for 47 s",
        "no replica of the champion could be read for 47 s",
    )


def test_nothing_at_all_is_three_problems() -> None:
    assert evidence_at(Series(), 0, STALE).problems == (
        "the canary's weight is not known: nothing exports it",
        "no canary is among the targets that could be read",
        "no champion is among the targets that could be read",
    )


def test_a_canary_of_the_champions_package_must_score_alike() -> None:
    """A canary with the champion's own package must not score differently."""
    known = steady(13)
    known.replicas["canary"].add(14, reading(110, package="sha256:old", champion="sha256:older"))
    found = evidence_at(known, 14, STALE)
    assert found.problems == ()
    assert found.holdout is not None
    assert set(found.holdout.shift) == set(found.holdout.shift_error) == {0.0}
    assert len(found.holdout.shift) == len(found.holdout.shift_error) == len(SCORE_EDGES)


def test_packages_that_nobody_names_are_not_the_same_one() -> None:
    known = steady(13)
    known.replicas["canary"].add(14, reading(110, package="", champion="", holdout=None))
    known.replicas["champion"].add(14, replace(champion_reading(110), package=""))
    assert evidence_at(known, 14, STALE).holdout is None


def test_a_canary_compared_with_another_champion_is_a_problem() -> None:
    """A canary that was compared with another champion than the live one is a problem."""
    known = steady(13)
    known.replicas["canary"].add(14, reading(110, champion="sha256:older"))
    found = evidence_at(known, 14, STALE)
    assert found.holdout is None
    assert found.problems == (
        "the canary was compared on the hold-out with sha256:older, but the champion that is live is sha256:old;"
        " train it again against the live champion",
    )


def test_the_hold_out_travels_with_the_canary() -> None:
    assert evidence_at(steady(13), 13, STALE).holdout == HOLDOUT


def test_only_a_part_a_few_requests_ahead_of_its_whole_is_cut() -> None:
    """A part that is a few requests ahead of its whole is cut, and one far ahead is not."""

    def errors(ahead: float) -> float | None:
        known = steady(13)
        known.replicas["canary"].add(14, reading(110, errors=110 + ahead))
        known.replicas["champion"].add(14, champion_reading(2260))
        known.add_weight(14, 10)
        return evidence_at(known, 14, STALE).strata[0].canary.errors

    assert errors(3) == 110
    assert errors(300) == 410


def test_requests_beyond_a_threshold_are_parts_of_the_requests() -> None:
    """Like errors they are cut where a page was read while requests ended, and count whole in a step cut in part."""
    known = steady(13)
    ahead = replace(reading(110), counts=replace(counts(110), slower=(113.0, 90.0, 50.0, 413.0)))
    known.replicas["canary"].add(14, ahead)
    known.replicas["champion"].add(14, champion_reading(2260))
    known.add_weight(14, 10)
    assert evidence_at(known, 14, STALE).strata[0].canary.slower == (110, 90, 50, 413)


def test_slower_requests_of_a_step_cut_in_part_count_whole() -> None:
    """In doubt the champion was as slow as it can have been, and never slower than its requests."""
    known = read_apart(60, 990, both=False)
    slower = changed(known.replicas["champion"], lambda one: replace(one, slower=_of(one, (1.0, 0.5, 0.02, 0.01))))
    known.replicas["champion"] = slower
    champion, canary = evidence_at(known, 60, 60, Timing(moment_seconds=20)).strata[0].later[-1]
    assert (canary.requests, champion.requests) == (150, 1350)
    assert champion.slower == pytest.approx((1350, 1350, 0.02 * 2700, 0.01 * 2700))


def _of(known: Counts, shares: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(share * (known.requests or 0) for share in shares)


def test_what_is_forgotten_is_not_needed() -> None:
    known = steady(13)
    before = evidence_at(known, 13, STALE)
    known.forget_before(3)
    assert known.weight_times[0] == 2
    assert evidence_at(known, 13, STALE) == before
    known.replicas["gone"] = Replica("canary")
    known.replicas["gone"].add(0, reading(9))
    known.forget_before(3)
    assert "gone" not in known.replicas


def test_more_labels_than_scores_are_a_problem() -> None:
    known = steady(13)
    twice = replace(reading(100), counts=counts(100, labels=200))
    known.replicas["canary"].add(14, twice)
    assert evidence_at(known, 14, STALE).problems == (
        "a replica of the canary counts 200 labels for 100 scores; a label belongs to one score",
    )


def test_counts_of_none_do_not_vanish_in_sums() -> None:
    assert (Counts(None) + Counts(1)).requests is None


def test_counts_since_moments_within_a_weight_are_kept() -> None:
    """The newest moments are each looked at, older ones further and further apart."""
    (found,) = evidence_at(steady(13), 13, STALE, Timing(moment_seconds=2)).strata
    assert [(canary.requests, champion.requests) for champion, canary in found.later] == [
        (80, 720),
        (40, 360),
        (20, 180),
    ]
    assert found.canary.requests == 100
    assert evidence_at(steady(13), 13, STALE).strata[0].later == ()


def test_moments_of_another_weight_are_none_of_this_one() -> None:
    known = steady(13)
    known.weights[8:] = [20.0] * 6
    ten, twenty = evidence_at(known, 13, STALE, Timing(moment_seconds=1)).strata
    assert [canary.requests for _, canary in ten.later] == [20, 10]
    assert [canary.requests for _, canary in twenty.later] == [40, 20, 10]


def test_there_are_no_more_moments_than_are_bet_on() -> None:
    """A rollout that goes on after its deadline has no new moments: their probabilities would sum to more than 1."""
    known, began = steady(200), 3

    def until(end: int) -> Series:
        return Series(known.weight_times[: end + 1], known.weights[: end + 1], known.replicas)

    starts = {
        round(at - champion.requests / 90)
        for at in range(4, 200)
        for champion, _ in evidence_at(until(at), at, STALE, Timing(moment_seconds=1)).strata[0].later
        if champion.requests
    }
    assert starts == set(range(began + 1, began + MOMENTS))


def test_a_moment_whose_counts_contradict_themselves_is_left_out() -> None:
    """A negative number of requests without an error would be a bet in the wrong direction."""
    known = steady(13)
    known.replicas["canary"].add(14, reading(110, errors=30))
    known.replicas["champion"].add(14, champion_reading(1000 + 90 * 14))
    known.add_weight(14, 10)
    (found,) = evidence_at(known, 14, STALE, Timing(moment_seconds=1)).strata
    assert (found.canary.requests, found.canary.errors) == (110, 30)
    assert [(canary.requests, canary.errors) for _, canary in found.later] == [(80, 30), (40, 30)]


def test_a_failure_of_both_sides_is_no_harm_of_one() -> None:
    """Both sides fail alike for 5 s, and the canary is read at other times than the champion.

    Without care the canary's errors are in a moment whose champion's errors belong to the moment before or after.
    """
    for failing in range(900, 960, 5):
        for look in range(failing + 5, failing + 120, 15):
            known = read_apart(look, failing, both=True)
            found = judge(evidence_at(known, look, 60, Timing(moment_seconds=56.25)), ERRORS_ONLY, toward=20)
            assert found.verdict != "fail", (failing, look, found.reason)


def test_a_failure_of_the_canary_alone_is_harm() -> None:
    known = read_apart(990, 930, both=False)
    assert judge(evidence_at(known, 990, 60, Timing(moment_seconds=56.25)), ERRORS_ONLY, toward=20).verdict == "fail"


def read_apart(end: int, failing: int, *, both: bool) -> Series:
    """A canary with 10 and a champion with 90 requests a second, read every 15 s, the champion 8 s after the canary.

    From `failing` on, all requests of the canary, or of both, fail for 5 s.
    """

    def failed(at: int) -> int:
        return min(max(at - failing, 0), 5)

    return series(
        [(at, 10 if at else 0) for at in range(0, end + 1, 5)],
        [(at, reading(10 * at, errors=10 * failed(at))) for at in range(0, end + 1, 15)],
        [(at, champion_reading(90 * at, errors=90 * failed(at) * both)) for at in range(8, end + 1, 15)],
    )


def test_a_missing_metric_of_a_moment_hides_no_other() -> None:
    """Errors that nothing counts leave the slow requests of the champion what they are."""
    known = steady(13)
    known.replicas["champion"] = changed(known.replicas["champion"], lambda one: replace(one, errors=None))
    champion, _ = evidence_at(known, 13, STALE, Timing(moment_seconds=2)).strata[0].later[-1]
    assert (champion.requests, champion.errors, champion.slow) == (180, None, 0)
