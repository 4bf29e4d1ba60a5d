from __future__ import annotations

import math
import random

import pytest

from services.judge.shadow.ratio import interval, log_evidence


def test_nothing_seen_rules_nothing_out() -> None:
    assert interval(0, 0, 0.01) == (0.0, 1.0)


def test_one_observation_by_hand() -> None:
    # B(a + 1, b) / B(a, b) = a / (a + b) = 0.5 / 4.5; divided by 0.2 that is 5/9.
    assert log_evidence(1, 1, 0.2) == pytest.approx(math.log(5 / 9))
    assert log_evidence(1, 1, 0.0) == log_evidence(0, 1, 1.0) == math.inf


@pytest.mark.parametrize(("count", "total"), [(0, 500), (3, 100), (30, 1000), (100, 100), (10.5, 2000)])
def test_the_ends_are_where_the_evidence_reaches_the_level(count: float, total: float) -> None:
    lower, upper = interval(count, total, 0.01)
    assert 0 <= lower <= count / total <= upper <= 1
    for end in {lower, upper} - {0.0, 1.0}:
        assert log_evidence(count, total, end) == pytest.approx(math.log(100), abs=1e-6)


def test_more_of_the_same_narrows_and_a_stricter_level_widens() -> None:
    wide, narrow, strict = interval(30, 1000, 0.01), interval(300, 10_000, 0.01), interval(30, 1000, 0.0001)
    assert wide[0] < narrow[0] < 0.03 < narrow[1] < wide[1]
    assert strict[0] < wide[0] < wide[1] < strict[1]


@pytest.mark.parametrize("ratio", [0.01, 0.2])
def test_the_truth_is_seldom_ever_outside(ratio: float) -> None:
    """300 runs of 1,500 observations, looked at after each tenth: 5 % may err at some look, so at most 15 + 4 sd."""
    source = random.Random(7)
    wrong = sum(_ever_outside(source, ratio) for _ in range(300))
    assert wrong <= 30


def _ever_outside(source: random.Random, ratio: float) -> bool:
    count = 0
    for total in range(1, 1501):
        count += source.random() < ratio
        if total % 10 == 0 and log_evidence(count, total, ratio) >= math.log(20):
            return True
    return False
