"""The least rate is enough and well below it is not; a service with 100 requests a day has a setting that fits."""

from __future__ import annotations

import numpy as np
import pytest

from components.spec.contract import Harm, Rollout
from components.spec.traffic_settings import TRAFFIC_SETTINGS
from services.judge.plan.figures import Planner, Question, RowFigures, fits
from services.judge.plan.judging import is_possible, planned_signals
from services.judge.plan.playing import FAILED, AssumedTraffic, Worse, play
from services.judge.simulate.world import champion

RATIOS = Rollout(harm=Harm(score_shift=None, label_loss=None, lost_ratio=None))
ERRORS, SLOW = planned_signals(RATIOS)
DAY = 86_400


def planner(rollout: Rollout, rate: float, delay: float = 0.0, rollouts: int = 150) -> Planner:
    return Planner(rollout, AssumedTraffic(rate, 0.5, delay, champion()), rollouts, seed=7)


def figures(rollout: Rollout, rate: float, delay: float = 0.0) -> RowFigures:
    return planner(rollout, rate, delay).all_signals()


@pytest.mark.parametrize("rate", [2.0, 500.0])
def test_harm_is_called_in_time_at_the_least_rate(rate: float) -> None:
    """Harm of twice the margin is called before the deadline in nine of ten rollouts, and well below it is not."""
    least = planner(RATIOS, rate).answer(Question(SLOW, 2.0)).least_rate
    assert least is not None

    def called(at: float) -> float:
        traffic = AssumedTraffic(at, 0.5, 0.0, champion())
        played = play(RATIOS, [ERRORS, SLOW], traffic, Worse(SLOW, 2 * SLOW.margin), 300, seed=1)
        return float(np.mean(played.until(FAILED, played.seconds) <= RATIOS.deadline_minutes * 60))

    assert called(1.15 * least) > 0.9
    assert called(0.6 * least) < 0.75


@pytest.mark.parametrize("rate", [0.5, 200.0])
def test_an_equal_canary_is_promoted_in_time_at_the_least_rate(rate: float) -> None:
    least = figures(RATIOS, rate).least_rate
    assert least is not None
    assert 2 < least < 5  # the review of the judge found 2 requests a second for the median
    assert fits(figures(RATIOS, 1.15 * least), RATIOS)
    assert not fits(figures(RATIOS, 0.6 * least), RATIOS)


def test_the_low_setting_fits_a_hundred_requests_a_day() -> None:
    low = TRAFFIC_SETTINGS["low"]
    assert fits(figures(low, 100 / DAY), low)
    assert fits(figures(low, 100 / DAY, delay=DAY), low)
    assert not fits(figures(low, 30 / DAY), low)
    assert not fits(figures(Rollout(), 100 / DAY), Rollout())


def test_large_harm_is_called_in_the_low_setting() -> None:
    low = planner(TRAFFIC_SETTINGS["low"], 100 / DAY)
    errors = next(signal for signal in low.signals() if signal.name == "error_ratio")
    assert low.answer(Question(errors, 4.0)).in_time > 0.9


def test_labels_that_come_too_late_have_no_least_rate() -> None:
    rollout = Rollout(harm=Harm(slow_ratio=None, score_shift=None, lost_ratio=None))
    found = planner(rollout, 1000.0, 13 * 60, rollouts=20).all_signals()
    assert found.least_rate is None
    assert not fits(found, rollout)
    assert planner(rollout, 10.0, 5 * 60, rollouts=20).all_signals().least_rate is not None


def test_every_signal_has_its_rows_and_all_have_one() -> None:
    rows = planner(RATIOS, 2.0).questions()
    assert [(row.signal.name if row.signal else None, row.times) for row in rows] == [
        *(("error_ratio", times) for times in (0.0, 1.5, 2.0, 4.0)),
        *(("slow_ratio", times) for times in (0.0, 1.5, 2.0, 4.0)),
        (None, 0.0),
    ]


def test_exposure_is_the_excess_that_callers_met() -> None:
    row = planner(RATIOS, 5000.0).answer(Question(SLOW, 4.0))
    assert row.requests[0] == pytest.approx(3 * 150_000, rel=0.02)  # the third look is the first with latency
    assert row.exposure[0] == pytest.approx(3 * 150_000 * 0.1 * 4 * 0.02, rel=0.02)  # at 10 % of the traffic


def test_harm_that_is_promoted_is_told_as_that() -> None:
    """A loss of requests below a tenth is promoted, whatever its margin; errors of twice their margin never are."""
    rollout = Rollout(harm=Harm(slow_ratio=None, score_shift=None, label_loss=None))
    errors, lost = planned_signals(rollout)
    rows = [planner(rollout, 20.0, rollouts=40).answer(Question(signal, 2.0)) for signal in (errors, lost)]
    assert rows[0].otherwise == 0
    assert rows[1].otherwise > 0.5


def test_no_canary_is_worse_than_can_be() -> None:
    assert is_possible(champion(), ERRORS, 0.9)
    assert not is_possible(champion(), ERRORS, 1.1)
