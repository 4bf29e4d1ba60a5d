from __future__ import annotations

import numpy as np
import pytest

from components.spec.contract import BRIER_LOSSES, SCORE_EDGES, Harm
from services.judge.evidence.counts import BINS, LOSSES, Counts
from services.judge.evidence.exposition import PARTS
from services.judge.statistics.evalue import Arms
from services.judge.statistics.signals import LOST, Signal, judged_signals, levels
from services.telemetry import LABEL_LOSSES
from tests.services.judge.builders import HOLDOUT, counts


def signal(name: str, harm: Harm | None = None) -> Signal:
    return next(s for s in judged_signals(harm or Harm(), 0.01, HOLDOUT) if s.name == name)


def test_false_alarm_is_shared_out_over_the_judged_signals() -> None:
    """The false alarm is shared out over the signals that are judged."""
    shares = levels(Harm(), 0.01)
    assert sum(shares.values()) == pytest.approx(0.01)
    assert {s.name: s.false_alarm for s in judged_signals(Harm(), 0.01, HOLDOUT)} == {
        name: level for name, level in shares.items() if name != LOST
    }
    assert shares["error_ratio"] == pytest.approx(0.01 * 0.4 / 1.1)
    fewer = judged_signals(Harm(score_shift=None, label_loss=None, lost_ratio=None), 0.01, HOLDOUT)
    assert [s.name for s in fewer] == ["error_ratio", "slow_ratio"]
    assert sum(s.false_alarm for s in fewer) == pytest.approx(0.01)


def test_a_signal_that_cannot_be_judged_keeps_its_share() -> None:
    without = judged_signals(Harm(), 0.01, None)
    assert [s.name for s in without] == ["error_ratio", "slow_ratio", "label_loss"]
    assert without[0].false_alarm == pytest.approx(0.01 * 0.4 / 1.1)


def test_each_signal_looks_at_its_own_counts() -> None:
    losses = (1.0, 2.0) + (0.0,) * (LOSSES - 2)
    known = Counts(10, 3, 2, scores=(4.0, 3.0) + (0.0,) * (BINS - 2), losses=losses, slower=(9.0, 8.0, 1.0, 0.0))
    table = known.vector()[None]
    assert signal("error_ratio").select(table).tolist() == [[[7, 3]]]
    assert signal("slow_ratio").select(table).tolist() == [[[8, 2], [9, 1], [10, 0]]]
    every = signal("slow_ratio", Harm(latency_shift=0.1))
    assert every.select(table)[..., 1].tolist() == [[9, 8, 2, 1, 0]]
    (alone,) = [s for s in judged_signals(Harm(), 0.01, HOLDOUT, thresholds=False) if s.name == "slow_ratio"]
    assert alone.select(table).tolist() == [[[8, 2]]]
    scores = signal("score_shift").select(table)
    assert scores.shape == (1, BINS - 1, 2)
    assert scores[0, :2].tolist() == [[3, 4], [0, 7]]
    assert signal("label_loss").select(table)[0, 0, :3].tolist() == [1, 2, 0]


def test_the_loss_of_an_answer_is_that_of_the_middle_of_its_bin() -> None:
    at = 2 * SCORE_EDGES.index(0.2)
    assert BRIER_LOSSES[at : at + 2] == pytest.approx((0.175**2, 0.825**2))
    assert len(BRIER_LOSSES) == 2 * BINS


def test_a_loss_between_two_of_the_grid_keeps_its_mean() -> None:
    assert PARTS @ np.array(LABEL_LOSSES) == pytest.approx(np.array(BRIER_LOSSES))
    assert PARTS.sum(axis=1) == pytest.approx(np.ones(2 * BINS))
    assert (np.count_nonzero(PARTS, axis=1) <= 2).all()


def test_both_directions_of_a_shift_are_harm() -> None:
    known = signal("score_shift")
    low = (0.1,) * 10 + (0.0,) * (BINS - 10)
    high = (0.0,) * (BINS - 10) + (0.1,) * 10
    for canary, champion in ((low, high), (high, low)):
        tables = [counts(500, shape=side).vector()[None] for side in (canary, champion)]
        arms = [Arms(0.5, known.select(tables[0]), known.select(tables[1]))]
        assert known.log_harm(arms, known.margin)[0] > 100


def test_means_are_compared_at_the_canarys_weights() -> None:
    known = signal("error_ratio")
    strata = [
        Arms(0.1, known.select(counts(100, c1).vector()[None]), known.select(counts(900, b1).vector()[None]))
        for c1, b1 in ((1, 9), (50, 450))
    ]
    canary, champion = known.means(strata)
    assert canary[0, 0] == pytest.approx(51 / 200)
    assert champion[0, 0] == pytest.approx((0.01 + 0.5) / 2)
    nothing = known.means([])
    assert np.isnan(nothing[0]).all()


def test_safety_is_only_as_sure_as_its_weakest_mean() -> None:
    known = signal("score_shift")
    shape = [1 / BINS] * BINS
    shape[0], shape[1] = shape[0] + 0.049, shape[1] - 0.049
    tables = (counts(20_000, shape=tuple(shape)).vector()[None], counts(20_000).vector()[None])
    arms = [Arms(0.5, known.select(tables[0]), known.select(tables[1]))]
    assert known.log_safe(arms, known.margin)[0] < np.log(100)
    assert known.log_safe(arms, 0.1)[0] > np.log(100)
