"""The e-processes: valid under every null, independent of how counts came about, growing with the truth."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.judge.evidence.counts import MOMENT_AGES
from services.judge.statistics.evalue import Arms, Array, Prior, _bets, log_evidence, log_evidence_below, log_mean

PRIOR = Prior(((0.01, 0.5), (0.3, 0.5)), ((0.05, 0.5), (0.4, 0.5)))
YES_NO = (0.0, 1.0)


def arms(canary: tuple[float, float], champion: tuple[float, float], weight: float = 0.1) -> Arms:
    """One rollout's stratum from (without, with) of each side."""
    return Arms(weight, np.array([[canary]], dtype=float), np.array([[champion]], dtype=float))


def all_outcomes(n_c: int, n_b: int) -> tuple[Array, Array]:
    """Every pair of hits at the canary and the champion, as counts (outcomes, 1, 2)."""
    hits = np.array([(c, b) for c in range(n_c + 1) for b in range(n_b + 1)], dtype=float)
    canary = np.stack([n_c - hits[:, 0], hits[:, 0]], axis=-1)
    champion = np.stack([n_b - hits[:, 1], hits[:, 1]], axis=-1)
    return canary[:, None, :], champion[:, None, :]


def expected(n_c: int, n_b: int, mu_c: float, mu_b: float, weight: float, bound: float) -> float:
    """The expectation of the e-value, summed over every outcome."""
    canary, champion = all_outcomes(n_c, n_b)
    e = np.exp(log_evidence([Arms(weight, canary, champion)], YES_NO, (bound,), PRIOR)[:, 0])
    c, b = canary[:, 0, 1], champion[:, 0, 1]
    p_c = np.array([comb(n_c, int(k)) * mu_c**k * (1 - mu_c) ** (n_c - k) for k in c])
    p_b = np.array([comb(n_b, int(k)) * mu_b**k * (1 - mu_b) ** (n_b - k) for k in b])
    return float(np.sum(e * p_c * p_b))


@pytest.mark.parametrize("weight", [0.01, 0.1, 0.5])
@pytest.mark.parametrize(("n_c", "n_b"), [(2, 18), (10, 10), (15, 3), (0, 9), (7, 0)])
@pytest.mark.parametrize("bound", [-0.2, 0.0, 0.005, 0.3])
def test_expectation_is_at_most_one_under_the_null_for_any_share(
    weight: float, n_c: int, n_b: int, bound: float
) -> None:
    """The expectation is at most one under the null hypothesis, whatever the share."""
    for mu_b in np.linspace(max(0.0, -bound), min(1.0, 1 - bound), 9):
        assert expected(n_c, n_b, float(mu_b + bound), float(mu_b), weight, bound) <= 1 + 1e-9
        assert expected(n_c, n_b, float(max(mu_b + bound - 0.1, 0)), float(mu_b), weight, bound) <= 1 + 1e-9


def test_expectation_is_above_one_when_the_canary_is_worse() -> None:
    assert expected(10, 10, 0.6, 0.1, 0.5, 0.05) > 2


counts = st.tuples(st.integers(0, 60), st.integers(0, 60))


@given(canary=counts, champion=counts, bound=st.sampled_from([-0.3, -0.01, 0.0, 0.02, 0.4]))
def test_evidence_below_is_evidence_above_of_the_opposite(
    canary: tuple[int, int], champion: tuple[int, int], bound: float
) -> None:
    """Evidence below a bound is the evidence above the opposite bound for the opposite outcome."""
    below = log_evidence_below([arms(canary, champion)], YES_NO, (bound,), PRIOR)
    flipped = [arms(canary[::-1], champion[::-1])]
    assert below == pytest.approx(log_evidence(flipped, YES_NO, (-bound,), PRIOR.flipped()), abs=1e-9)


@given(st.lists(st.tuples(counts, counts), min_size=2, max_size=3))
@settings(max_examples=30)
def test_rollouts_and_bounds_do_not_touch_each_other(tables: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    bounds = (0.0, 0.1)
    canary, champion = (np.array([[t[side]] * 2 for t in tables], dtype=float) for side in (0, 1))
    together = log_evidence([Arms(0.1, canary, champion)], YES_NO, bounds, PRIOR)
    for row, (c, b) in enumerate(tables):
        for column, bound in enumerate(bounds):
            alone = log_evidence([arms(c, b)], YES_NO, (bound,), PRIOR)[0, 0]
            assert together[row, column] == pytest.approx(alone, abs=1e-9)


@given(canary=counts, champion=counts)
def test_an_empty_stratum_changes_nothing(canary: tuple[int, int], champion: tuple[int, int]) -> None:
    known = arms(canary, champion)
    empty = arms((0, 0), (0, 0), weight=0.4)
    with_empty = log_evidence([known, empty], YES_NO, (0.02,), PRIOR)
    assert with_empty == pytest.approx(log_evidence([known], YES_NO, (0.02,), PRIOR), abs=1e-9)


def test_no_stratum_is_no_evidence() -> None:
    assert log_evidence([], YES_NO, (0.02, 0.1), PRIOR) == pytest.approx(np.zeros((1, 2)))


@given(errors=st.integers(0, 49))
def test_one_more_error_at_the_canary_is_never_less_evidence(errors: int) -> None:
    fewer = log_evidence([arms((50 - errors, errors), (450, 3))], YES_NO, (0.02,), PRIOR)[0, 0]
    more = log_evidence([arms((49 - errors, errors + 1), (450, 3))], YES_NO, (0.02,), PRIOR)[0, 0]
    assert more > fewer


def test_separate_strata_do_not_fall_for_simpsons_paradox() -> None:
    """Simpson's paradox is not evidence when strata are kept apart."""
    calm, rough = arms((900, 1), (8_100, 8), weight=0.1), arms((2_400, 600), (2_400, 600), weight=0.5)
    pooled = arms((3_300, 601), (10_500, 608), weight=0.28)
    assert log_evidence([calm, rough], YES_NO, (0.005,), PRIOR)[0, 0] < 0
    assert log_evidence([pooled], YES_NO, (0.005,), PRIOR)[0, 0] > 10


def test_values_between_zero_and_one_count_by_what_they_are() -> None:
    thirds = Arms(0.5, np.array([[[0.0, 30.0, 0.0]]]), np.array([[[30.0, 0.0, 0.0]]]))
    found = log_evidence([thirds], (0.0, 0.5, 1.0), (0.1,), PRIOR)[0, 0]
    weaker = log_evidence([thirds], (0.0, 0.2, 1.0), (0.1,), PRIOR)[0, 0]
    assert found > weaker


def test_log_mean_does_not_overflow() -> None:
    assert log_mean(np.array([1000.0, 1000.0]), np.log([0.5, 0.5])) == pytest.approx(1000.0)


def test_false_alarms_over_many_looks_are_as_rare_as_promised() -> None:
    """A false alarm at any of many looks is as rare as promised, with a random share and a drifting base.

    At each look also those bets count that began at the look itself, and 1, 3, 7, 15 and 31 looks before.
    """
    rng, rollouts, alpha = np.random.default_rng(3), 2000, 0.05
    canary, champion = np.zeros((rollouts, 1, 2)), np.zeros((rollouts, 1, 2))
    before: list[tuple[Array, Array]] = []
    crossed = np.zeros(rollouts, dtype=bool)
    for look in range(60):
        before.append((canary.copy(), champion.copy()))
        base = 0.02 + 0.2 * (look > 30)
        n_c = rng.binomial(100, 0.2, rollouts)
        for table, n, mean in ((canary, n_c, base + 0.02), (champion, 100 - n_c, base)):
            hits = rng.binomial(n, mean)
            table[:, 0, 0] += n - hits
            table[:, 0, 1] += hits
        starts = [before[look - age] for age in MOMENT_AGES if age < look]
        later = tuple(Arms(0.2, canary - one, champion - other) for one, other in starts)
        e = log_evidence([Arms(0.2, canary, champion, later)], YES_NO, (0.02,), PRIOR)[:, 0]
        crossed |= e >= np.log(1 / alpha)
    assert crossed.mean() <= alpha


def test_weights_that_are_over_are_not_reckoned_again() -> None:
    """A verdict on a hundred weights would otherwise take about as long as Flagger waits for an answer."""
    over = [arms((90 + weight, 1), (900, 10), weight / 100) for weight in range(1, 99)]
    made = []
    for errors in range(4):
        for bound in np.linspace(-0.2, 0.2, 20):
            log_evidence([*over, arms((90, errors), (10, 0), 0.99)], YES_NO, (float(bound),), PRIOR)
        made.append(_bets.computed)
    assert made[3] == made[2]


def test_a_known_stratum_gives_the_same_evidence() -> None:
    """One rollout's strata are remembered, those of many are not; whole numbers count as much as others."""
    one, two = arms((5, 3), (40, 2)), arms((6, 1), (30, 4))
    both = Arms(0.1, np.concatenate([one.canary, two.canary]), np.concatenate([one.champion, two.champion]))
    apart = [log_evidence([each], YES_NO, (0.02,), PRIOR)[0] for each in (one, two, one)]
    assert np.allclose(log_evidence([both], YES_NO, (0.02,), PRIOR), apart[:2])
    assert apart[0] == apart[2]
    whole = Arms(0.1, one.canary.astype(int), one.champion.astype(int))
    assert log_evidence([whole], YES_NO, (0.02,), PRIOR)[0] == apart[0]
