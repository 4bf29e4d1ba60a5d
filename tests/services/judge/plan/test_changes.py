"""Each change is a rollout that can be written, and is weighed by the figures that it brings."""

from __future__ import annotations

import math

import pytest

from components.spec.contract import Harm, Rollout
from components.spec.traffic_settings import TRAFFIC_SETTINGS
from services.judge.plan import changes
from services.judge.plan.figures import Planner
from services.judge.plan.playing import AssumedTraffic
from services.judge.simulate.world import champion


def planner(rollout: Rollout, rate: float = 2.0) -> Planner:
    return Planner(rollout, AssumedTraffic(rate, 0.5, 0.0, champion()), 30, seed=7)


def test_what_does_not_fit_gets_changes_that_do() -> None:
    mine = planner(Rollout())
    made = [change for make in changes.propositions(mine, mine.all_signals()) if (change := make())]
    assert [change.name for change in made] == [
        "a later deadline", "one step", "wider margins", "one step, wider margins", "no labels", "shadow first",
        "the setting low",
    ]  # fmt: skip
    found = {change.name: changes.weigh(mine, change) for change in made}
    assert {name for name, one in found.items() if one.fits} >= {"a later deadline", "one step, wider margins"}
    assert not found["no labels"].fits
    assert found["shadow first"].equal.seconds[1] < found["no labels"].equal.seconds[1]
    assert all(one.harmful is not None and one.harmful.exposure[1] > 0 for one in found.values())


def test_only_the_margins_that_are_too_small_are_widened() -> None:
    change = changes.wider_margins(planner(Rollout()), Rollout())
    assert change is not None
    assert change.rollout.harm.error_ratio == 0.01
    assert change.rollout.harm.slow_ratio == 0.02
    assert change.lines.startswith("error_ratio: 0.01, score_shift: 0.1")
    assert changes.wider_margins(planner(Rollout(), rate=100), Rollout()) is None


def test_a_change_that_changes_nothing_is_none() -> None:
    plain = Rollout(step_weight=50, max_weight=50, harm=Harm(score_shift=None, label_loss=None))
    assert changes.at_once(plain) is None
    assert changes.without_labels(plain) is None
    assert changes.shadow_first(plain) is None
    assert changes.low_traffic(TRAFFIC_SETTINGS["low"]) is None
    assert changes.longer_deadline(plain, math.inf) is None


@pytest.mark.parametrize(("seconds", "minutes"), [(3600, 72), (10_000, 200), (900_000, 18_000)])
def test_a_deadline_has_room_and_two_digits(seconds: float, minutes: float) -> None:
    change = changes.longer_deadline(Rollout(), seconds)
    assert change is not None
    assert change.rollout.deadline_minutes == pytest.approx(minutes)
    assert change.lines == f"deadline_minutes: {minutes}"


def test_the_low_setting_judges_what_the_spec_judges() -> None:
    change = changes.low_traffic(Rollout(harm=Harm(label_loss=None)))
    assert change is not None
    assert change.rollout.harm == Harm(
        error_ratio=0.05, slow_ratio=0.05, score_shift=0.2, label_loss=None, lost_ratio=0.3
    )
