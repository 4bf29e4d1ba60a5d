from __future__ import annotations

import numpy as np
import pytest

from components.spec.contract import Harm
from services.judge.statistics.assess import allowed_excess, interval, is_harm, is_safe, observations_needed, stack_arms
from services.judge.statistics.evalue import Arms
from services.judge.statistics.signals import Signal, judged_signals
from tests.services.judge.builders import HOLDOUT, counts

SIGNALS = {s.name: s for s in judged_signals(Harm(), 0.01, HOLDOUT)}
ERRORS = SIGNALS["error_ratio"]


def arms(signal: Signal, canary: float, errors: float, champion: float, champion_errors: float) -> list[Arms]:
    tables = (counts(canary, errors).vector()[None], counts(champion, champion_errors).vector()[None])
    return stack_arms(signal, [(0.1, *tables)])


@pytest.mark.parametrize(("share", "allowed"), [(1.0, 0.005), (0.5, 0.01), (0.01, 0.5), (0.001, 1.0)])
def test_the_exposure_rule_is_margin_over_share(share: float, allowed: float) -> None:
    assert allowed_excess(ERRORS, share) == pytest.approx(allowed)


def test_harm_and_safety_exclude_each_other() -> None:
    for errors in range(0, 200, 5):
        some = arms(ERRORS, 2000, errors, 18_000, 18)
        assert not (is_harm(ERRORS, some)[0] and is_safe(ERRORS, some, 1.0, 0.01)[0])


def test_intervals_close_in_on_the_truth() -> None:
    widths = []
    for n in (100, 1000, 10_000, 100_000):
        lower, upper = interval(ERRORS, arms(ERRORS, n, 0.02 * n, 9 * n, 0.009 * n), 0.01)
        assert lower is not None
        assert upper is not None
        assert lower < 0.019 < upper
        widths.append(upper - lower)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.005


def test_intervals_cover_the_truth_as_often_as_promised() -> None:
    """Intervals cover the truth at every look as often as promised."""
    rng, missed, rollouts = np.random.default_rng(5), 0, 60
    for _ in range(rollouts):
        canary, champion = np.zeros(2), np.zeros(2)
        covered = True
        for _ in range(8):
            canary += (200, rng.binomial(200, 0.03))
            champion += (1800, rng.binomial(1800, 0.01))
            lower, upper = interval(ERRORS, arms(ERRORS, *canary, *champion), 0.01)
            covered &= (lower is None or lower <= 0.02) and (upper is None or upper >= 0.02)
        missed += not covered
    assert missed <= 2


def test_nothing_seen_bounds_nothing() -> None:
    assert interval(ERRORS, arms(ERRORS, 0, 0, 0, 0), 0.01) == (None, None)


@pytest.mark.parametrize("name", list(SIGNALS))
def test_what_is_said_to_be_enough_is(name: str) -> None:
    signal = SIGNALS[name]  # type: ignore[index]
    champion = counts(900, 1, 9, labels=900).vector()[None]
    seen = stack_arms(signal, [(0.1, counts(100, labels=100).vector()[None], champion)])
    needed = observations_needed(signal, seen, 0.01)
    assert needed is not None
    for times, safe in ((1.2, True), (0.8, False)):
        scale = times * needed / 100
        more = stack_arms(signal, [(0.1, scale * champion / 9, scale * champion)])
        assert is_safe(signal, more, 1.0, 0.01)[0] == safe


def test_without_champion_traffic_enough_is_not_known() -> None:
    """Without the champion's traffic nobody knows how much traffic would be enough."""
    assert observations_needed(ERRORS, arms(ERRORS, 100, 0, 0, 0), 0.01) is None
    assert observations_needed(ERRORS, [], 0.01) is None


def test_the_prototype_is_beaten() -> None:
    """Design's targets at 10 %: 3,160 canary requests to pass, 200 to fail 5 % errors, 7,550 to fail 1.1 %."""
    rng = np.random.default_rng(11)

    def median_requests(ratio: float, *, harm: bool) -> float:
        rollouts = 100
        tables = np.zeros((2, rollouts, 63))
        until = np.full(rollouts, np.inf)
        for look in range(600):
            for side, (requests, p) in enumerate(((20, ratio), (180, 0.001))):
                tables[side, :, 0] += requests
                tables[side, :, 1] += rng.binomial(requests, p, rollouts)
            some = stack_arms(ERRORS, [(0.1, tables[0], tables[1])])
            decided = is_harm(ERRORS, some) if harm else is_safe(ERRORS, some, 1.0, 0.0025)
            until[decided & np.isinf(until)] = 20 * (look + 1)
            if np.isfinite(until).mean() > 0.5:
                break
        return float(np.median(until))

    assert median_requests(0.001, harm=False) < 2600
    assert median_requests(0.051, harm=True) < 170
    assert median_requests(0.011, harm=True) < 6000
