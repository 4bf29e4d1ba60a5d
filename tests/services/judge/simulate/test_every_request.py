"""Looks after every request: the bound that rules looks out together holds, and what is found is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.spec.contract import Harm
from services.judge.evidence.counts import REQUESTS_AT
from services.judge.simulate.every_request import _arms, failed_at_any_request, failing_looks, traffic
from services.judge.simulate.rollouts import HOLDOUT
from services.judge.simulate.world import SimulatedVersion, champion
from services.judge.statistics.evalue import Array
from services.judge.statistics.signals import judged_signals

SIGNALS = judged_signals(Harm(), 0.01, HOLDOUT)
LOOKS = np.arange(1, 641)


def counted(seed: int, weight: float, canary: SimulatedVersion | None = None) -> Array:
    """What both sides counted in 640 requests; the canary is another version if one is given."""
    rng = np.random.default_rng(seed)
    both = traffic(champion(), weight, 640, rng)
    return both if canary is None else np.stack([both[0], traffic(canary, weight, 640, rng)[1]])


def test_each_request_goes_to_one_side_and_is_counted_once() -> None:
    both = counted(1, 0.1)
    assert both[:, :, REQUESTS_AT].sum(0).tolist() == list(range(641))


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
@pytest.mark.parametrize("weight", [0.1, 0.5])
def test_no_look_between_two_exceeds_their_bound(signal, weight) -> None:
    worse = replace(champion(), error=0.05, latency=np.array([0.2, 0.3, 0.3, 0.1, 0.05, 0.05]))
    for canary in (None, worse):
        known, starts = counted(2, weight, canary), np.arange(0, 640, 10)
        bound = signal.log_harm([_arms(signal, known, weight, starts, starts + 10)], signal.margin)
        exact = signal.log_harm([_arms(signal, known, weight, LOOKS)], signal.margin).reshape(-1, 10).max(1)
        assert (bound >= exact - 1e-9).all()


def test_the_looks_found_are_those_of_looking_at_each() -> None:
    worse = replace(champion(), error=0.08)
    for seed in range(3):
        known = counted(seed, 0.5, worse)
        each = [s.log_harm([_arms(s, known, 0.5, LOOKS)], s.margin) >= -np.log(s.false_alarm) for s in SIGNALS]
        assert failing_looks(SIGNALS, known, 0.5).tolist() == LOOKS[np.any(each, axis=0)].tolist()
        assert failing_looks(SIGNALS, known, 0.5).size > 0


def test_equal_canaries_are_not_failed() -> None:
    assert failed_at_any_request(5, 10, requests=640) == 0
