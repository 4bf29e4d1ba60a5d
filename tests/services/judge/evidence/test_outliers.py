"""One replica unlike the others of its side decides nothing alone; it is named."""

from __future__ import annotations

import numpy as np
import pytest

from services.judge.evidence.counts import Counts, Stratum
from services.judge.evidence.outliers import unlike, without
from services.judge.evidence.series import Rows
from tests.services.judge.builders import FLAT, counts

HIGH = (0.0,) * 10 + (0.1,) * 10


def side(**named: Counts) -> dict[str, Rows]:
    return {name: one.vector() for name, one in named.items()}


GOOD = counts(1000, errors=1, slow=10, labels=500)


@pytest.mark.parametrize(
    ("bad", "signal"),
    [
        (counts(1000, errors=40, slow=10, labels=500), "error_ratio"),
        (counts(1000, errors=1, slow=80, labels=500), "slow_ratio"),
        (counts(1000, errors=1, slow=10, labels=500, wrong=0.4), "label_loss"),
        (counts(1000, errors=1, slow=10, labels=500, shape=HIGH), "score_shift"),
    ],
)
def test_the_worst_replica_is_found_by_signal(bad: Counts, signal: str) -> None:
    assert ("b", signal) in list(unlike(side(a=GOOD, b=bad, c=GOOD)))


def test_replicas_that_are_alike_are_not_found() -> None:
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(300):
        errors, slow = rng.binomial(1000, 0.01, 3), rng.binomial(1000, 0.02, 3)
        alike = {str(at): counts(1000, errors[at], slow[at], labels=500).vector() for at in range(3)}
        found += len(list(unlike(alike)))
    assert found <= 3


def test_a_better_replica_is_not_unlike_except_for_its_scores() -> None:
    better = counts(1000, errors=0, slow=0, labels=500, wrong=0.0)
    worse = counts(1000, errors=40, slow=80, labels=500)
    assert {name for name, _ in unlike(side(a=worse, b=better, c=worse))} <= {"a", "c"}
    lower = counts(1000, errors=1, slow=10, labels=500, shape=HIGH[::-1])
    assert ("b", "score_shift") in list(unlike(side(a=GOOD, b=lower, c=GOOD)))


def test_one_replica_is_like_itself() -> None:
    assert list(unlike(side(a=counts(1000, errors=500)))) == []
    assert list(unlike({})) == []


def test_a_replica_that_answered_nothing_is_not_unlike() -> None:
    assert list(unlike(side(a=GOOD, b=counts(0), c=GOOD))) == []


def test_counts_that_are_missing_are_not_unlike() -> None:
    missing = Counts(None, None, None, scores=None, losses=None, slower=None)
    assert list(unlike(side(a=GOOD, b=missing, c=GOOD))) == []


@pytest.mark.parametrize(("of", "share"), [("canary", 100 * 5 / 95), ("champion", 100 * 10 / 55)])
def test_the_share_is_that_of_the_replicas_that_are_left(of: str, share: float) -> None:
    known = Stratum(10.0, counts(900), counts(100, shape=FLAT))
    assert without(known, of, 0.5).share == pytest.approx(share)
    assert without(known, of, 0.0).share == pytest.approx(10.0)
