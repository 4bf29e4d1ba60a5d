"""Each gate passes at its limit and refuses one step beyond."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from components.errors import GateError
from components.evaluation.gates import check_gates, first_metric, refuse_violations, violation
from components.evaluation.result import Comparison, Evaluation, Fairness, Flips, Interval, Speed, Trend
from components.spec.contract import SCORE_EDGES
from tests.components.small_table import small_spec
from tests.components.trained_small import WORTH

NONE = (0.0,) * len(SCORE_EDGES)


def interval(value: float) -> Interval:
    return Interval(value=value, low=value - 0.01, high=value + 0.01)


METRICS = {
    name: interval(value)
    for name, value in {
        "roc_auc": 0.8,
        "average_precision": 0.6,
        "brier_score": 0.15,
        "log_loss": 0.4,
        "accuracy": 0.75,
        "calibration_error": 0.05,
    }.items()
}


def champion(**difference: float) -> Comparison:
    return Comparison(
        package="sha256:" + "0" * 64,
        metrics=METRICS,
        difference={name: Interval(value=value, low=value, high=value) for name, value in difference.items()},
        shift=NONE,
        shift_error=NONE,
    )


EVALUATION = Evaluation(
    candidate="random_forest",
    rows=100,
    positives=30,
    metrics=METRICS,
    champion=champion(roc_auc=-0.01, average_precision=-0.01, brier_score=0.01),
    calibration=(),
    roc=(),
    scores=(0,) * len(SCORE_EDGES),
    fairness=(Fairness(by="plan", groups=(), gap=0.1),),
    invariance=(Flips(feature="senior", ratio=0.02),),
    direction=(Trend(feature="spend", raises=False, share=0.9),),
    speed=Speed(p50_ms=0.1, p99_ms=2.0),
    package_mib=1.5,
)


def breaches(evaluation: Evaluation = EVALUATION, **gates: Any) -> list[str]:
    return [result.gate for result in check_gates(evaluation, small_spec(gates=gates)) if not result.passed]


FAIR = {"by": ["plan"], "max_equal_opportunity_gap": 0.1}
DIRECTION = {"feature": "spend", "raises": False}


@pytest.mark.parametrize(
    ("gate", "at_the_limit", "beyond"),
    [
        ("roc_auc", {"roc_auc": {"min": 0.8}}, {"roc_auc": {"min": 0.801}}),
        ("average_precision", {"average_precision": {"min": 0.6}}, {"average_precision": {"min": 0.601}}),
        ("versus_champion", {"versus_champion": {"max_loss": 0.01}}, {"versus_champion": {"max_loss": 0.009}}),
        ("calibration_error", {"calibration_error": {"max": 0.05}}, {"calibration_error": {"max": 0.049}}),
        ("fairness by plan", {"fairness": FAIR}, {"fairness": {**FAIR, "max_equal_opportunity_gap": 0.09}}),
        ("latency_p99_ms", {"latency_p99_ms": {"max": 2}}, {"latency_p99_ms": {"max": 1.9}}),
        ("package_mib", {"package_mib": {"max": 1.5}}, {"package_mib": {"max": 1.4}}),
        (
            "invariance of senior",
            {"behaviour": {"invariant": ["senior"], "max_flip_ratio": 0.02}},
            {"behaviour": {"invariant": ["senior"], "max_flip_ratio": 0.01}},
        ),
        (
            "direction of spend",
            {"behaviour": {"direction": [{**DIRECTION, "min_share": 0.9}]}},
            {"behaviour": {"direction": [{**DIRECTION, "min_share": 0.91}]}},
        ),
    ],
)
def test_a_gate_passes_at_its_limit_and_refuses_beyond(gate: str, at_the_limit: Any, beyond: Any) -> None:
    parts = {
        "invariance": EVALUATION.invariance if gate.startswith("invariance") else (),
        "direction": EVALUATION.direction if gate.startswith("direction") else (),
    }
    evaluation = EVALUATION.model_copy(update=parts)
    assert breaches(evaluation, **at_the_limit) == []
    assert breaches(evaluation, **beyond) == [gate]


def test_a_gap_of_errors_has_its_own_limit() -> None:
    data = {"uri": "t.csv", "target": "left", "task": "regression"}
    for limit, passed in ((0.1, True), (0.09, False)):
        gates = {"fairness": {"by": ["plan"], "max_error_gap": limit}, "versus_champion": None}
        results = check_gates(EVALUATION, small_spec(data=data, training={}, gates=gates))
        (result,) = (each for each in results if each.gate == "fairness by plan")
        assert result.passed is passed
        assert result.detail == "gap of mean absolute errors, in parts of that of all rows"


def test_what_could_not_be_measured_does_not_pass() -> None:
    few = EVALUATION.model_copy(update={"fairness": (Fairness(by="plan", groups=(), gap=None),)})
    (result,) = (r for r in check_gates(few, small_spec(gates={"fairness": FAIR})) if r.gate.startswith("fairness"))
    assert not result.passed
    assert result.detail == "cannot be judged: fewer than two groups have 30 positives in the hold-out"


def test_an_evaluation_cannot_hold_what_is_no_number() -> None:
    with pytest.raises(ValidationError, match="finite number"):
        interval(float("nan"))


def test_a_first_version_has_no_champion_to_lose_against() -> None:
    assert breaches(EVALUATION.model_copy(update={"champion": None}), versus_champion={"max_loss": 0}) == []


def test_a_comparison_on_rows_the_champion_may_know_is_refused() -> None:
    """A comparison on rows that the champion may have trained on is refused, whatever its result."""
    better = champion(roc_auc=0.1, average_precision=0.1, brier_score=-0.1).model_copy(update={"doubt": "because"})
    evaluation = EVALUATION.model_copy(update={"champion": better})
    (result,) = (r for r in check_gates(evaluation, small_spec(gates={})) if r.gate == "versus_champion")
    assert (result.passed, result.value, result.detail) == (False, None, "because")
    assert violation(result) == (
        "versus_champion: not measured, must be at most 0.01 at the upper end of its interval (because)"
    )


@pytest.mark.parametrize("doubt", ["", "because"])
def test_a_spec_that_asks_for_no_comparison_gets_none(doubt: str) -> None:
    worse = champion(roc_auc=-0.5).model_copy(update={"doubt": doubt})
    assert breaches(EVALUATION.model_copy(update={"champion": worse}), versus_champion=None) == []


def test_money_is_compared_by_its_own_gate() -> None:
    spec = small_spec(decision={"value": WORTH}, gates={"value": {"min": 0}, "f1": {"min": 0}})
    assert first_metric(spec) == "f1"


def test_the_first_metric_is_that_of_the_task() -> None:
    classes = {"uri": "t.csv", "task": "multiclass", "target": "left", "classes": ["a", "b", "c"]}
    gates = {"balanced_accuracy": {"min": 0}, "log_loss": {"max": 9}}
    assert first_metric(small_spec(data=classes, training={}, gates=gates)) == "log_loss"
    assert first_metric(small_spec(gates=gates)) == "balanced_accuracy"


def test_a_loss_is_measured_in_the_first_metric_with_a_gate() -> None:
    """A loss is measured in the first metric with a gate, and a smaller Brier score is better."""
    assert first_metric(small_spec(gates={"average_precision": {"min": 0}})) == "average_precision"
    assert first_metric(small_spec(gates={"average_precision": {"min": 0}, "roc_auc": {"min": 0}})) == "roc_auc"
    spec = small_spec(training={"metric": "neg_brier_score"}, gates={"versus_champion": {"max_loss": 0.01}})
    (result,) = check_gates(EVALUATION.model_copy(update={"fairness": (), "invariance": (), "direction": ()}), spec)
    assert result.value == pytest.approx(0.01)
    assert result.passed
    assert not check_gates(
        EVALUATION, small_spec(training={"metric": "neg_brier_score"}, gates={"versus_champion": {"max_loss": 0.009}})
    )[0].passed


def test_a_refusal_lists_every_breach_with_value_and_limit() -> None:
    spec = small_spec(gates={"roc_auc": {"min": 0.9}, "latency_p99_ms": {"max": 1}, "package_mib": {"max": 2}})
    evaluation = EVALUATION.model_copy(update={"gates": check_gates(EVALUATION, spec)})
    assert not evaluation.passed
    with pytest.raises(GateError) as caught:
        refuse_violations(evaluation)
    assert str(caught.value) == (
        "the random_forest model did not pass 2 gates:\n"
        "- roc_auc: 0.8, must be at least 0.9\n"
        "- latency_p99_ms: 2, must be at most 1"
    )


def test_a_model_that_passed_is_let_through() -> None:
    refuse_violations(
        EVALUATION.model_copy(update={"gates": check_gates(EVALUATION, small_spec(gates={"roc_auc": {"min": 0.8}}))})
    )
