"""The rivals do what their descriptions say, and fail where they are known to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from components.spec.contract import Harm
from services.judge.simulate.rivals import (
    RIVALS,
    Stakes,
    confidence_sequence,
    is_high,
    kayenta,
    margins,
    pocock,
    pocock_bound,
    threshold,
)
from services.judge.simulate.thresholds import calibrated
from services.judge.statistics.evalue import Array

STAKES = Stakes((0.005,), (0.001,), 0.01)


def seen(canary: float, champion: float = 0.001, requests: int = 500, rollouts: int = 100, seed: int = 1) -> Array:
    """Counts of 60 looks with `requests` on each side."""
    rng = np.random.default_rng(seed)
    errors = rng.binomial(requests, [champion, canary], (rollouts, 60, 2))
    return np.stack([np.full(errors.shape, requests), errors], axis=-1).astype(float)


@pytest.mark.parametrize(("looks", "level", "bound"), [(2, 0.025, 2.178), (5, 0.025, 2.413), (1, 0.025, 1.960)])
def test_pococks_bounds_are_those_of_his_table(looks: int, level: float, bound: float) -> None:
    assert pocock_bound(looks, level) == pytest.approx(bound, abs=2e-3)


def test_the_bound_for_many_looks_is_crossed_as_often_as_said() -> None:
    steps = np.random.default_rng(1).standard_normal((50_000, 60))
    z = np.cumsum(steps, axis=1) / np.sqrt(np.arange(1, 61))
    assert (z.max(1) > pocock_bound(60, 0.01)).mean() == pytest.approx(0.01, abs=0.0015)


@pytest.mark.parametrize("name", list(RIVALS))
def test_an_equal_canary_stays_and_a_bad_one_is_failed(name: str) -> None:
    rival = RIVALS[name]
    assert np.isfinite(rival(seen(0.001), STAKES)).mean() <= 0.03
    assert np.isfinite(rival(seen(0.05), STAKES)).all()


def test_a_threshold_is_the_one_that_is_calibrated() -> None:
    limit = calibrated("", 0.006, 500, 60, 0.01).max_error_ratio
    errors = np.zeros((3, 60, 2))
    errors[1, 7, 1], errors[2, 7, 1] = round(500 * limit), round(500 * limit) + 1
    counts = np.stack([np.full(errors.shape, 500.0), errors], axis=-1)
    assert threshold(counts, STAKES).tolist() == [math.inf, math.inf, 8]


def test_a_threshold_seldom_finds_twice_the_margin() -> None:
    assert np.isfinite(threshold(seen(0.011, requests=100), STAKES)).mean() < 0.2


def test_pococks_test_fails_too_many_at_the_margin_with_little_traffic() -> None:
    """The normal approximation is wrong where a look has less than one error; the level is 0.004."""
    few = Stakes((0.005,), (0.001,), 0.004)
    assert np.isfinite(pocock(seen(0.006, requests=100, rollouts=2000), few)).mean() > 2 * 0.004


def test_a_confidence_sequence_needs_more_requests_than_pocock() -> None:
    counts = seen(0.011, rollouts=200)
    assert np.median(confidence_sequence(counts, STAKES)) > np.median(pocock(counts, STAKES))


def test_kayenta_has_no_margin() -> None:
    """It fails a canary that is worse by half of the margin, which may stay."""
    assert np.isfinite(kayenta(seen(0.0035, requests=5000), STAKES)).mean() > 0.9


def test_a_metric_is_high_where_the_rank_test_is_sure() -> None:
    rng = np.random.default_rng(3)
    champion, canary = rng.normal(0, 1, (1, 40)), rng.normal(2, 1, (1, 40))
    assert is_high(canary, champion)[0]
    assert not is_high(champion, canary)[0]
    # The interval of the shift excludes 0 where the test at the same level does.
    for shift in np.linspace(0, 1.5, 16):
        sure = mannwhitneyu(champion[0] + shift, champion[0], alternative="greater").pvalue < 0.01
        assert is_high(champion + shift, champion)[0] <= sure


def test_rivals_are_given_the_judges_margins() -> None:
    assert margins(Harm()) == (0.005, 0.02, 0.01, 0.005)
