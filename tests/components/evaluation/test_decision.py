from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import DataError
from components.evaluation.bootstrap import resample
from components.evaluation.decision import decided, threshold_of
from components.evaluation.decision_metrics import decision_metrics, value_metric, worths
from components.models.cuts import Cuts, cuts_of
from components.spec.contract import DecisionRule, DecisionValue

WORTH = {"true_positive": 8, "false_positive": -2, "false_negative": -10, "currency": "USD"}
LABELS = np.array([1, 1, 0, 1, 0, 0, 1, 0], dtype=np.int8)
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.1])

ORACLES: dict[str, Any] = {
    "precision": lambda labels, named: sklearn.metrics.precision_score(labels, named, zero_division=0),
    "recall": sklearn.metrics.recall_score,
    "f1": lambda labels, named: sklearn.metrics.f1_score(labels, named, zero_division=0),
    "accuracy": sklearn.metrics.accuracy_score,
    "balanced_accuracy": sklearn.metrics.balanced_accuracy_score,
}


def decision(**asked: Any) -> DecisionRule:
    return DecisionRule.model_validate(asked)


@pytest.mark.parametrize("name", ORACLES)
@settings(deadline=None)
@given(st.lists(st.integers(0, 8), min_size=2, max_size=40), st.integers(1, 7), st.integers(0, 1000))
def test_a_metric_of_decisions_is_what_scikit_learn_says(name: str, eighths: list[int], cut: int, seed: int) -> None:
    """With weights too: a weight is that many copies of a row."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, len(eighths))
    labels[:2] = [0, 1]
    scores, copies = np.array(eighths) / 8, generator.integers(1, 4, len(eighths))
    metric = decision_metrics(cut / 8)[name]
    assert metric(labels, scores) == pytest.approx(ORACLES[name](labels, scores >= cut / 8))
    weighed = metric(labels, scores, copies[None, :].astype(float))
    many = np.repeat(labels, copies), np.repeat(scores, copies) >= cut / 8
    assert weighed == pytest.approx([ORACLES[name](*many)])


def test_value_per_1000_answers_by_hand() -> None:
    worth = DecisionValue.model_validate({**WORTH, "true_negative": 1})
    # From 0.6 on: three found, one false alarm, one missed, three spared.
    expected = 1000 * (3 * 8 - 2 - 10 + 3 * 1) / 8
    assert value_metric(worth, 0.6)["value"](LABELS, SCORES) == pytest.approx(expected)


def test_without_a_decision_a_yes_begins_at_one_half() -> None:
    assert threshold_of(None, None) == 0.5
    assert threshold_of(decision(threshold=0.3, value=WORTH), None) == 0.3


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000))
def test_no_other_threshold_was_worth_more_in_the_search(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.random(80).round(2)
    labels = (generator.random(80) < scores).astype(np.int8)
    worth = DecisionValue.model_validate(WORTH)
    found = threshold_of(decision(value=WORTH), cuts_of(labels, scores))
    best = worths(worth, labels, scores >= found).sum()
    others = [worths(worth, labels, scores >= each).sum() for each in np.linspace(0.005, 0.995, 199)]
    assert best == pytest.approx(max(others))


def test_dear_false_alarms_raise_the_threshold() -> None:
    cuts = cuts_of(LABELS, SCORES)
    dear = threshold_of(decision(value={**WORTH, "false_positive": -100}), cuts)
    cheap = threshold_of(decision(value={**WORTH, "false_positive": -0.01}), cuts)
    assert cheap == pytest.approx(0.2)
    assert dear == pytest.approx(0.75, abs=0.03)


def test_a_capacity_is_the_quantile_of_scores_that_keeps_it() -> None:
    threshold = threshold_of(decision(capacity={"decisions": 20, "of": 50}), cuts_of(LABELS, SCORES))
    assert (threshold <= SCORES).sum() == 3  # of eight rows three are 37 %, four would be 50 %


def test_a_capacity_holds_where_more_would_be_worth_more() -> None:
    asked = {"value": {**WORTH, "false_positive": -0.01}, "capacity": {"decisions": 1, "of": 4}}
    assert (threshold_of(decision(**asked), cuts_of(LABELS, SCORES)) <= SCORES).sum() == 2


def test_a_capacity_that_no_threshold_keeps_is_refused() -> None:
    cuts = cuts_of(LABELS, np.full(8, 0.4))
    with pytest.raises(DataError, match=r"decision.capacity: 1 of 20 is 5.00% .* highest score alone has 100.00%"):
        threshold_of(decision(capacity={"decisions": 1, "of": 20}), cuts)


def test_a_search_without_thresholds_is_refused() -> None:
    nothing = Cuts(positives=1, negatives=1, thresholds=(), true_positives=(), false_positives=())
    for cuts in (None, nothing):
        with pytest.raises(DataError, match="kept no thresholds"):
            threshold_of(decision(value=WORTH), cuts)


def test_the_gain_is_over_the_better_simple_rule() -> None:
    asked = decision(value=WORTH)
    weights = resample(LABELS, 0)
    found = decided(asked, 0.6, LABELS, SCORES, weights)
    # Yes to all: 4 x 8 - 4 x 2 = 24; no to all: -40; from 0.6 on: 24 - 2 - 10 = 12.
    assert found.simplest is not None
    assert found.gain is not None
    assert found.simplest.name == "yes to all"
    assert found.simplest.value == pytest.approx(3000)
    assert found.gain.value == pytest.approx(-1500)
    assert found.gain.low < found.gain.value < found.gain.high
    assert found.share == 0.5
    dear = decision(value={**WORTH, "false_positive": -100})
    rule = decided(dear, 0.6, LABELS, SCORES, weights).simplest
    assert rule is not None
    assert rule.name == "no to all"


def test_a_threshold_without_a_value_has_no_gain() -> None:
    found = decided(decision(threshold=0.35), 0.35, LABELS, SCORES, resample(LABELS, 0))
    assert (found.threshold, found.share, found.gain, found.simplest) == (0.35, 0.75, None, None)
