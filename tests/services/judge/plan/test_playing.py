"""Played rollouts agree with the simulation's, and take the time that looks and labels take."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.spec.contract import Rollout
from services.judge.plan.judging import PlannedSignal, planned_signals
from services.judge.plan.playing import FAILED, PROMOTED, WAITING, AssumedTraffic, Worse, play
from services.judge.simulate.rollouts import Case
from services.judge.simulate.rollouts import play as simulated
from services.judge.simulate.world import champion

SIGNALS = {signal.name: signal for signal in planned_signals(Rollout())}
AT_ONCE = Rollout(step_weight=50, max_weight=50)


def traffic(rate: float = 2.0, labelled: float = 0.5, delay: float = 0.0) -> AssumedTraffic:
    return AssumedTraffic(rate, labelled, delay, champion())


def alone(name: str) -> list[PlannedSignal]:
    return [signal for signal in SIGNALS.values() if signal.name == name]


def test_an_equal_canary_needs_what_the_simulation_needs() -> None:
    played = play(Rollout(), alone("error_ratio"), traffic(), None, 200, seed=1)
    ours = float(np.median(played.until(PROMOTED, played.canary_requests)))
    known = simulated(Case("x", "error_ratio", 0, 60, 10, 50, looks=480), 200, seed=2)
    assert ours == pytest.approx(float(np.median(known.canary_requests)), rel=0.25)


@pytest.mark.parametrize("name", ["error_ratio", "label_loss"])
def test_an_equal_canary_needs_about_what_is_enough(name: str) -> None:
    """At one weight, its observations are about those that the judge calls enough after a deadline without any end."""
    played = play(AT_ONCE, alone(name), traffic(), None, 100, seed=1)
    labelled = 0.5 if name == "label_loss" else 1.0
    ours = float(np.median(played.until(PROMOTED, played.canary_requests))) * labelled
    late = [simulated(Case("x", name, 0, 60, 50, 50, looks=10), 1, seed) for seed in range(9)]  # type: ignore[arg-type]
    enough = float(np.median([one.enough for one in late if one.enough is not None]))
    assert enough * 0.7 < ours < enough * 1.6


def test_harm_needs_what_the_simulation_needs() -> None:
    """Up to a third more is needed here, since late looks are further apart and may miss an early crossing."""
    signal = SIGNALS["error_ratio"]
    played = play(Rollout(), [signal], traffic(), Worse(signal, 4 * signal.margin), 300, seed=1)
    known = simulated(Case("x", "error_ratio", 4.0, 60, 10, 50, looks=300), 300, seed=2)
    ours = float(np.median(played.until(FAILED, played.canary_requests)))
    assert 0.9 < ours / float(np.median(known.canary_requests)) < 1.33
    assert not (played.fate == PROMOTED).any()


@pytest.mark.parametrize(("rollout", "seconds"), [(AT_ONCE, 30), (Rollout(), 150), (Rollout(interval_seconds=10), 50)])
def test_with_ample_traffic_a_weight_takes_one_look(rollout: Rollout, seconds: float) -> None:
    played = play(rollout, alone("error_ratio"), traffic(100_000), None, 20, seed=1)
    assert (played.seconds == seconds).all()
    assert played.requests == pytest.approx(np.full(20, 100_000 * seconds), rel=0.01)


def test_labels_take_their_delay_at_each_weight_anew() -> None:
    late = traffic(100_000, delay=300)
    assert (play(AT_ONCE, alone("label_loss"), late, None, 20, seed=1).seconds == 330).all()
    assert (play(Rollout(), alone("label_loss"), late, None, 20, seed=1).seconds >= 5 * 330).all()
    assert (play(Rollout(), alone("label_loss"), traffic(100_000), None, 20, seed=1).seconds == 150).all()
    assert (play(Rollout(), alone("error_ratio"), late, None, 20, seed=1).seconds == 150).all()


def test_latency_leaves_out_the_first_looks_of_each_weight() -> None:
    assert (play(Rollout(), alone("slow_ratio"), traffic(100_000), None, 20, seed=1).seconds == 5 * 90).all()


def test_labels_wait_until_they_are_mature() -> None:
    rollout = AT_ONCE.model_copy(update={"label_maturity_minutes": 4})
    assert (play(rollout, alone("label_loss"), traffic(100_000), None, 20, seed=1).seconds == 270).all()
    assert (play(rollout, alone("label_loss"), traffic(100_000, delay=300), None, 20, seed=1).seconds == 330).all()


def test_a_canary_that_loses_much_is_failed() -> None:
    """A loss of 20 % is called, and one of 4 %, twice the margin, is too small to be told from none."""
    lost = SIGNALS["lost_ratio"]
    found = {part: play(Rollout(), [lost], traffic(), Worse(lost, part), 60, seed=1).fate for part in (0.2, 0.04)}
    assert (found[0.2] == FAILED).mean() > 0.9
    assert not (found[0.2] == PROMOTED).any()
    assert (found[0.04] == PROMOTED).mean() > 0.5


def test_all_signals_take_at_least_as_long_as_one() -> None:
    one = play(Rollout(), alone("error_ratio"), traffic(), None, 100, seed=1)
    all_of_them = play(Rollout(), list(SIGNALS.values()), traffic(), None, 100, seed=1)
    assert np.median(all_of_them.seconds) > 1.3 * np.median(one.seconds)


def test_without_labels_a_rollout_never_ends() -> None:
    played = play(Rollout(), alone("label_loss"), traffic(labelled=0.0), None, 10, seed=1, limit_seconds=86_400)
    assert (played.fate == WAITING).all()
    assert (played.until(PROMOTED, played.seconds) == math.inf).all()


def test_the_same_seed_plays_the_same() -> None:
    one, other = (play(Rollout(), alone("slow_ratio"), traffic(), None, 20, seed=4) for _ in range(2))
    assert (one.requests == other.requests).all()
