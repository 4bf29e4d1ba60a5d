"""Requests that nobody counted: how often the evidence is wrong, and how soon it is right."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from components.spec.contract import Harm
from services.judge.statistics.evalue import Array
from services.judge.statistics.lost import (
    SURELY,
    Shares,
    log_kept,
    log_lost,
    lost_interval,
    seen_loss,
    surely_below,
)

MARGIN = Harm().lost_ratio or 0.0
NEEDED = -math.log(0.01)
ROLLOUTS, LOOKS = 2000, 40


Gateway = Callable[[int, float, float, np.random.Generator], tuple[Array, Array]]


def dice(requests: int, weight: float, loss: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """The counted requests of canary and champion by look, (looks, rollouts), where the gateway throws dice."""
    asked = rng.binomial(requests, weight, (LOOKS, ROLLOUTS))
    kept = rng.binomial(asked, 1 - loss)
    return kept.cumsum(0).astype(np.float64), (requests - asked).cumsum(0).astype(np.float64)


def turns(requests: int, weight: float, loss: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """The same where it takes turns: each side gets its share to within a request."""
    total = requests * np.arange(1, LOOKS + 1)[:, None] + rng.integers(0, 100, ROLLOUTS)
    asked = np.round(total * weight)
    lost = rng.binomial(np.diff(asked, axis=0, prepend=0).astype(np.int64), loss).cumsum(0)
    return np.asarray(asked - lost, dtype=np.float64), np.asarray(total - asked, dtype=np.float64)


def looks(counted: tuple[Array, Array], weight: float) -> list[Shares]:
    return [Shares(weight, canary, champion) for canary, champion in zip(*counted, strict=True)]


def ever(evidence: Sequence[Array]) -> float:
    """The part of the rollouts in which the evidence was enough at some look."""
    return float((np.max(evidence, axis=0) >= NEEDED).mean())


@pytest.mark.parametrize("gateway", [dice, turns])
@pytest.mark.parametrize("requests", [5, 200, 5000])
@pytest.mark.parametrize("weight", [0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("loss", [0.0, MARGIN])
def test_a_canary_within_the_margin_is_seldom_failed(
    gateway: Gateway, requests: int, weight: float, loss: float
) -> None:
    """In 2,000 rollouts that are looked at 40 times; a limit of 1 % is refuted by 32 of them."""
    rng = np.random.default_rng(1)
    found = [log_lost([shares], MARGIN) for shares in looks(gateway(requests, weight, loss, rng), weight)]
    assert ever(found) * ROLLOUTS < 32


@pytest.mark.parametrize("gateway", [dice, turns])
@pytest.mark.parametrize("weight", [0.1, 0.5])
def test_a_tenth_that_is_lost_is_found_and_not_promoted(gateway: Gateway, weight: float) -> None:
    rng = np.random.default_rng(2)
    found = looks(gateway(2000, weight, 0.1, rng), weight)
    assert (log_lost([found[-1]], MARGIN) >= NEEDED).mean() > 0.99
    assert ever([log_kept([shares], surely_below(MARGIN, 1.0)) for shares in found]) <= 0.01


@pytest.mark.parametrize("weight", [0.1, 0.5])
def test_a_canary_that_loses_nothing_is_passed(weight: float) -> None:
    rng = np.random.default_rng(3)
    last = looks(dice(2000, weight, 0.0, rng), weight)[-1]
    assert (log_kept([last], surely_below(MARGIN, 1.0)) >= NEEDED).mean() > 0.99
    assert not (log_lost([last], MARGIN) >= NEEDED).any()


def test_a_tenth_is_found_within_some_thousand_requests() -> None:
    """At 10 % of the traffic; twice as much lost is found in a fourth of them."""
    for loss, most in ((0.1, 8000), (0.2, 2000)):
        canary = np.arange(50.0, 20_000, 50)
        shares = Shares(0.1, canary * (1 - loss), canary * 9)
        first = canary[np.argmax(log_lost([shares], MARGIN) >= NEEDED)]
        assert 0 < first < most


def test_losses_that_begin_at_a_later_weight_are_found() -> None:
    """What the weights before it show does not hide them, however much it is."""
    before = Shares(0.1, np.array([100_000.0]), np.array([900_000.0]))
    losing = Shares(0.5, np.array([4500.0]), np.array([5000.0]))
    assert log_lost([before, losing], MARGIN)[0] > NEEDED
    assert log_lost([before, Shares(0.5, np.array([5000.0]), np.array([5000.0]))], MARGIN)[0] < 0


def test_nothing_counted_is_no_evidence() -> None:
    assert log_lost([], MARGIN).tolist() == [0.0]
    nothing = Shares(0.1, np.zeros(1), np.zeros(1))
    assert log_lost([nothing], MARGIN)[0] == pytest.approx(0)
    assert log_kept([nothing], SURELY)[0] == pytest.approx(0)
    assert lost_interval([nothing], 0.01, 0.01) == (None, None)
    assert seen_loss([nothing]) == 0.0


def test_an_expected_share_bets_fairly_at_the_bound() -> None:
    """A counted request multiplies the evidence by 1 on average where the loss is the bound, by less below it."""
    for loss, most in ((MARGIN, 1 + 1e-12), (0.0, 1.0)):
        p = 0.3 * (1 - loss) / (0.3 * (1 - loss) + 0.7)
        ours, theirs = (log_lost([Shares(0.3, np.array([c]), np.array([1.0 - c]))], MARGIN)[0] for c in (1.0, 0.0))
        assert p * math.exp(ours) + (1 - p) * math.exp(theirs) <= most


def test_the_interval_holds_the_loss() -> None:
    lower, upper = lost_interval([Shares(0.5, np.array([9000.0]), np.array([10_000.0]))], 0.01, 0.01)
    assert lower is not None
    assert upper is not None
    assert 0.03 < lower < 0.1 < upper < 0.17
    assert seen_loss([Shares(0.5, np.array([9000.0]), np.array([10_000.0]))]) == pytest.approx(0.1)


def test_a_smaller_share_may_lose_more() -> None:
    assert surely_below(0.02, 1.0) == SURELY
    assert surely_below(0.3, 1.0) == 0.3
    assert surely_below(0.02, 0.5) == 2 * SURELY
    assert surely_below(0.02, 0.01) == 0.99
