"""The bound of what callers meet of a harmful canary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.spec.contract import Rollout
from services.judge.exposure import exposure_bound, largest_share
from services.judge.plan.judging import planned_signals
from services.judge.plan.playing import AssumedTraffic, Worse, play
from services.judge.simulate.plan import summarise
from services.judge.simulate.rollouts import Case, allowance
from services.judge.simulate.rollouts import play as play_counts
from services.judge.simulate.world import champion

BY_TENS = Rollout(step_weight=10, max_weight=50)


@pytest.mark.parametrize(
    ("excess", "share"),
    [
        # 50 % x 0.01 is the margin, and 50 % the last weight before all.
        (0.01, 0.5),
        (0.02, 0.2),  # 20 % x 0.02 = 0.4 %, and 30 % would be 0.6 %
        (0.2, 0.1),  # the first weight is given without evidence
        (0.005, 1.0),  # within the margin: it is harmless
    ],
)
def test_a_weight_is_kept_while_share_x_excess_is_within(excess: float, share: float) -> None:
    """The margin is 0.5 %."""
    assert largest_share(BY_TENS, "error_ratio", 0.005, excess) == share


def test_harm_that_begins_later_stays_at_its_weight() -> None:
    assert largest_share(BY_TENS, "error_ratio", 0.005, 0.1, begun_at=40) == 0.4


def test_lost_requests_are_bounded_by_what_their_share_can_tell() -> None:
    """A canary that loses 20 % may have half of the traffic: a tenth of all requests."""
    assert exposure_bound(BY_TENS, "lost_ratio", 0.02, 0.2) == pytest.approx(0.1)


def test_what_a_hold_out_may_be_off_is_allowed_at_each_weight() -> None:
    """The margin is 5 %, and 0.6 % is added to it: 10 % x (50.6 - 0.6) is within, and at half of that 20 % is."""
    assert largest_share(BY_TENS, "score_shift", 0.05, 0.2506, allowance=0.006) == 0.2
    assert largest_share(BY_TENS, "score_shift", 0.05, 0.2506) == 0.1
    assert exposure_bound(BY_TENS, "score_shift", 0.05, 0.1005, allowance=0.006) == pytest.approx(0.5 * 0.1005)


def test_the_allowance_is_that_of_the_judged_signal() -> None:
    (signal,) = (one for one in planned_signals(Rollout()) if one.name == "score_shift")
    assert allowance("score_shift") == signal.allowance == 0.006
    assert {one.allowance for one in planned_signals(Rollout()) if one.name != "score_shift"} == {0.0}


@pytest.mark.parametrize("excess", [3.0, 6.0])
def test_simulated_canaries_stay_within_the_bound(excess: float) -> None:
    """200 rollouts, looked at 120 times: of 1 % at most, two go beyond it by chance."""
    case = Case("harmful", "error_ratio", excess, 1000, 10, 50)
    outcome = play_counts(case, 200, seed=3)
    assert summarise([outcome]).beyond <= 4
    assert set(outcome.largest_weight) <= {10, 20, 30}


def test_the_count_notices_a_canary_beyond_the_bound() -> None:
    """The negative twin: with half the margin's excess as harm of the same canary, most get a weight beyond."""
    outcome = play_counts(Case("within", "error_ratio", 0.5, 30_000, 10, 50), 20, seed=3)
    worse = Case("harmful", "error_ratio", 6.0, 30_000, 10, 50)
    assert summarise([replace(outcome, case=worse)]).beyond >= 18


def test_what_a_plan_prints_is_not_exceeded() -> None:
    """At 10 a second, errors of twice the margin: the canary's requests until harm is called x the excess."""
    rollout = Rollout()
    (signal,) = (one for one in planned_signals(rollout) if one.name == "error_ratio")
    traffic = AssumedTraffic(10.0, 0.5, 0.0, champion())
    seconds = rollout.deadline_minutes * 60
    played = play(rollout, [signal], traffic, Worse(signal, 0.01), 100, 3, limit_seconds=seconds)
    bound = exposure_bound(rollout, signal.name, signal.margin, 0.01) * traffic.rate * seconds
    assert (played.canary_requests * 0.01 > bound).mean() <= 0.02
