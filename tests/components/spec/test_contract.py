from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.spec.contract import SCORE_EDGES, CategoryFeature, DateFeature, NumberFeature, Spec
from components.spec.values import category_text, days_since_epoch

NETWORK = {"candidates": ["keras_mlp"]}


def document(**changes: Any) -> dict[str, Any]:
    """A small valid spec, with some of its keys changed."""
    return {
        "name": "loans",
        "data": {"uri": "t.csv", "target": "late", "positive": 1, "id": "loan", "ignore": ["note"]},
        "features": {
            "amount": {"type": "number", "min": 0, "max": 10},
            "region": {"type": "category", "values": ["north", "south"]},
            "since": {"type": "date", "min": "2020-01-01", "max": "2024-01-01"},
        },
        **changes,
    }


def refusal(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Spec.model_validate(document(**changes))
    return str(caught.value)


# --- one value ----------------------------------------------------------------------


def test_score_edges_rise_to_one() -> None:
    assert list(SCORE_EDGES) == sorted(set(SCORE_EDGES))
    assert SCORE_EDGES[0] > 0
    assert SCORE_EDGES[-1] == 1.0


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false"), (1, "1"), (-3, "-3"), ("Yes", "Yes")])
def test_category_text(value: bool | int | str, text: str) -> None:
    assert category_text(value) == text


@pytest.mark.parametrize(
    ("moment", "days"),
    [
        (date(1970, 1, 1), 0.0),
        (date(1969, 12, 31), -1.0),
        (date(2024, 2, 29), 19782.0),
        (datetime(1970, 1, 2, 12, tzinfo=UTC), 1.5),
        (datetime(1970, 1, 2, 12), 1.5),  # noqa: DTZ001 -- without a zone it is UTC
        (datetime(1970, 1, 2, 2, tzinfo=timezone(timedelta(hours=2))), 1.0),
    ],
)
def test_days_since_epoch(moment: date | datetime, days: float) -> None:
    assert days_since_epoch(moment) == days


@given(st.dates())
def test_a_day_is_its_first_moment(day: date) -> None:
    assert days_since_epoch(day) == days_since_epoch(datetime(day.year, day.month, day.day, tzinfo=UTC))


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_feature_takes_any_ordered_range(one: float, other: float) -> None:
    feature = NumberFeature(type="number", min=min(one, other), max=max(one, other))
    assert feature.min <= feature.max


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"min": 2, "max": 1}, "min 2.0 is above max 1.0; swap them"),
        ({"min": 0, "max": 1, "factor": 0}, "factor 0 would erase the feature"),
        ({"min": 0, "max": float("inf")}, "finite number"),
        ({"min": float("nan"), "max": 1}, "finite number"),
        ({"min": 0, "max": 1, "missing": "yes"}, "'refused', 'allowed', 'impute' or 'indicator'"),
        ({"min": 0}, "Field required"),
    ],
)
def test_a_wrong_number_feature_is_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        NumberFeature.model_validate({"type": "number", **keys})


@pytest.mark.parametrize("values", [["a", "b"], [0, 1], [False, True], [1, "one"], ["A", "a"]])
def test_a_category_keeps_the_type_of_its_values(values: list[Any]) -> None:
    feature = CategoryFeature.model_validate({"type": "category", "values": values})
    assert [(type(value), value) for value in feature.values] == [(type(value), value) for value in values]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "at least 1 item"),
        (["a", "b", "a"], "values a stand twice"),
        ([1, "1"], "values 1 stand twice"),
        ([True, "true", 1], "values true stand twice"),
        ([1.5], "valid integer"),
        ([None], "valid string"),
    ],
)
def test_a_wrong_category_is_refused(values: list[Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CategoryFeature.model_validate({"type": "category", "values": values})


@pytest.mark.parametrize("moment", ["2024-01-01", date(2024, 1, 1), "2024-01-01T10:00:00Z", datetime(2024, 1, 1)])  # noqa: DTZ001
def test_a_date_feature_takes_days_and_times(moment: object) -> None:
    feature = DateFeature.model_validate({"type": "date", "min": moment, "max": moment})
    assert feature.min == feature.max


@pytest.mark.parametrize("moment", [2024, "2024", 1.5, True, "1704067200", "soon", None])
def test_a_date_feature_takes_no_seconds_since_1970(moment: object) -> None:
    with pytest.raises(ValidationError):
        DateFeature.model_validate({"type": "date", "min": moment, "max": "2024-01-01"})


def test_a_date_feature_compares_days_with_times() -> None:
    DateFeature.model_validate({"type": "date", "min": "2024-01-01", "max": "2024-01-01T00:00:01"})
    with pytest.raises(ValidationError, match=r"min .* is after max .*; swap them"):
        DateFeature.model_validate({"type": "date", "min": "2024-01-01T00:00:01", "max": "2024-01-01"})


# --- values that must agree ------------------------------------------------------------


def test_the_small_spec_is_right() -> None:
    spec = Spec.model_validate(document())
    assert list(spec.features) == ["amount", "region", "since"]
    assert spec.rollout.harm.error_ratio == 0.005


def test_a_spec_survives_json() -> None:
    spec = Spec.model_validate(document())
    assert Spec.model_validate_json(spec.model_dump_json()) == spec


def test_a_spec_cannot_be_changed() -> None:
    spec = Spec.model_validate(document())
    with pytest.raises(ValidationError, match="frozen"):
        spec.name = "other"


DATA = {"uri": "t.csv", "target": "late", "positive": 1}
WORTH = {"true_positive": 8, "false_positive": -2, "false_negative": -10, "currency": "USD"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {**DATA, "target": "amount"}}, "features: 'amount' is data.target as well"),
        ({"data": {**DATA, "id": "amount"}}, "features: 'amount' is data.id as well"),
        ({"data": {**DATA, "ignore": ["amount"]}}, "features: 'amount' is data.ignore as well"),
        ({"data": {**DATA, "id": "late"}}, "'late' is both target and id"),
        ({"data": {**DATA, "ignore": ["late"]}}, "'late' is the target and stands in ignore"),
        ({"data": {**DATA, "id": "loan", "ignore": ["loan"]}}, "'loan' is the id and stands in ignore"),
        ({"data": {**DATA, "uri": ""}}, "data.uri\n.*at least 1 character"),
        ({"features": {}}, "at least 1 item"),
        ({"split": {"group": "a", "time": "b"}}, "by group or by time, not by both"),
        ({"split": {"group": "late"}}, "'late' is the target; split by another column"),
        ({"split": {"time": "late"}}, "'late' is the target; split by another column"),
        ({"split": {"holdout": 0}}, "greater than 0"),
        ({"split": {"holdout": 1}}, "less than 1"),
        ({"gates": {"fairness": {"by": ["late"]}}}, "gates.fairness.by: 'late' is the target or the id, which names"),
        ({"gates": {"fairness": {"by": ["sex"], "max_error_gap": 0.1}}}, "max_error_gap: belongs to task regression"),
        ({"gates": {"fairness": {"by": ["amount"]}}}, "gates.fairness.by: 'amount' is no category feature"),
        ({"gates": {"fairness": {"by": []}}}, "at least 1 item"),
        ({"gates": {"behaviour": {"invariant": ["x"]}}}, "gates.behaviour.invariant: 'x' is no feature"),
        (
            {"gates": {"behaviour": {"direction": [{"feature": "region", "raises": True}]}}},
            "gates.behaviour.direction: 'region' is no number or date feature; allowed: amount, since",
        ),
        ({"gates": {"roc_auc": {"min": 82}}}, "less than or equal to 1"),
        ({"gates": {"value": {"min": 1}}}, "gates.value: needs to know what decisions are worth; write `decision"),
        ({"gates": {"value": {}}}, "gates.value\n.*limits nothing; allowed are min, min_gain and max_loss"),
        ({"decision": {}}, "decision\n.*says nothing; allowed are threshold, value and capacity"),
        ({"decision": {"threshold": 1}}, "decision.threshold\n.*less than 1"),
        (
            {"decision": {"threshold": 0.3, "capacity": {"decisions": 1, "of": 9}}},
            "threshold 0.3 and capacity both decide who gets yes; remove one",
        ),
        ({"decision": {"capacity": {"decisions": 9, "of": 9}}}, "decisions 9 must be fewer than of 9"),
        (
            {"decision": {"value": {**WORTH, "false_negative": 8}}},
            "decision.value\n.*true_positive 8 must be above false_negative 8: a right decision is worth more",
        ),
        ({"decision": {"value": {**WORTH, "false_positive": 1}}}, "true_negative 0 must be above false_positive 1"),
        ({"decision": {"value": {"true_positive": 1, "false_positive": -1}}}, "decision.value.false_negative\n"),
        ({"gates": {"versus_champion": {"max_loss": -0.1}}}, "greater than or equal to 0"),
        ({"gates": {"latency_p99_ms": {"max": 0}}}, "greater than 0"),
        ({"training": {"candidates": []}}, "at least 1 item"),
        ({"training": {"candidates": ["random_forest", "random_forest"]}}, "candidates random_forest stand twice"),
        (
            {"training": {"candidates": ["random_forest"], "accelerator": "gpu"}},
            "accelerator gpu has nothing to do: random_forest compute on the CPU; add keras_mlp",
        ),
        ({"training": {"accelerator": "tpu", "strategy": "mirrored"}}, "strategy mirrored does not go with .* tpu"),
        ({"training": {"accelerator": "gpu", "strategy": "tpu"}}, "strategy tpu does not go with accelerator gpu"),
        ({"training": {"folds": 1}}, "greater than or equal to 2"),
        ({"training": {"workers": 0}}, "greater than or equal to 1"),
        ({"training": {"workers": 33}}, "less than or equal to 32"),
        ({"training": {"workers": 2}}, "workers 2 train a network together, and one worker fits logistic_regression"),
        ({"training": {**NETWORK, "workers": 2, "strategy": "mirrored"}}, "strategy mirrored is for one worker, and"),
        ({"training": {**NETWORK, "workers": 2, "accelerator": "tpu"}}, "workers 2 with accelerator tpu"),
        ({"training": {"strategy": "multi_worker_mirrored"}}, "multi_worker_mirrored needs workers: 2 or more"),
        (
            {"rollout": {"strategy": "shadow-then-canary", "harm": {"score_shift": None, "label_loss": None}}},
            "harm.score_shift and harm.label_loss are both null; give one a margin such as 0.05, or choose",
        ),
        ({"training": {"strategy": "parameter_server"}}, "Input should be 'auto'"),
        ({"rollout": {"step_weight": 60, "max_weight": 50}}, "step_weight 60 is above max_weight 50"),
        ({"rollout": {"max_weight": 101}}, "less than or equal to 100"),
        ({"rollout": {"false_alarm": 0}}, "greater than 0"),
        ({"rollout": {"harm": {"error_ratio": None}}}, "error_ratio is always judged"),
        ({"rollout": {"harm": {"score_shift": 1}}}, "less than 1"),
        ({"scale": {"min": 3, "max": 2}}, "min 3 is above max 2; swap them"),
        ({"limits": {"max_batch_rows": 0}}, "greater than or equal to 1"),
        ({"resources": {"trian": {}}}, "Input should be 'default', 'ingest'"),
        ({"resources": {"train": {"requests": {"cpu": "1x"}}}}, "'1x' is no number of cores; allowed are such as"),
        ({"resources": {"train": {"limits": {"memory": "2GB"}}}}, "'2GB' is no amount of memory; allowed are such as"),
        ({"resources": {"train": {"limits": {"memory": "0"}}}}, "'0' is no amount of memory"),
        (
            {"resources": {"default": {"requests": {"memory": "3Gi"}, "limits": {"memory": "2Gi"}}}},
            "requests.memory 3Gi is above limits.memory 2Gi",
        ),
    ],
)
def test_values_that_do_not_agree_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=f"(?s){said}"):
        Spec.model_validate(document(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {**DATA, "id": "loan", "ignore": ["note"]}},
        {"split": {"group": "region"}},
        {"split": {"group": "customer"}},
        {"split": {"time": "since"}},
        {"gates": {"fairness": {"by": ["region"]}}},
        {"gates": {"fairness": {"by": ["sex"]}}},
        {"gates": {"behaviour": {"invariant": ["region"], "direction": [{"feature": "amount", "raises": True}]}}},
        {"gates": {"roc_auc": {"min": 1}}},
        {"decision": {"threshold": 0.3}},
        {"decision": {"value": WORTH, "capacity": {"decisions": 200, "of": 5000}}, "gates": {"value": {"min": -5}}},
        {"rollout": {"step_weight": 50, "max_weight": 50}},
        {"rollout": {"harm": {"score_shift": None, "label_loss": None, "slow_ratio": None}}},
        {"scale": {"min": 2, "max": 2}},
        {"resources": {"train": {"requests": {"cpu": 1, "memory": "2Gi"}, "limits": {"cpu": "1500m"}}}},
    ],
)
def test_values_that_do_agree_are_taken(changes: dict[str, Any]) -> None:
    Spec.model_validate(document(**changes))


@pytest.mark.parametrize("name", ["a", "churn", "loan-risk-2", "a" * 40])
def test_names(name: str) -> None:
    assert Spec.model_validate(document(name=name)).name == name


@pytest.mark.parametrize("name", ["", "Churn", "1loan", "loan_risk", "loan-", "a" * 41, "../x", "loan\n", "größe"])
def test_names_that_kubernetes_or_a_path_would_not_take(name: str) -> None:
    assert "name" in refusal(name=name)


def test_a_network_may_have_several_workers() -> None:
    for strategy in ("auto", "multi_worker_mirrored"):
        spec = Spec.model_validate(document(training={**NETWORK, "workers": 32, "strategy": strategy}))
        assert spec.training.workers == 32
    assert Spec.model_validate(document()).training.workers == 1


@pytest.mark.parametrize(
    "data",
    [
        {"uri": "t.csv", "target": "late", "task": "regression"},
        {"uri": "t.csv", "target": "late", "task": "multiclass", "classes": ["a", "b", "c"]},
    ],
)
def test_only_two_words_are_decided(data: dict[str, Any]) -> None:
    said = f"decision: belongs to task binary, and the task is {data['task']}; remove decision"
    with pytest.raises(ValidationError, match=said):
        Spec.model_validate(document(data=data, training={}, decision={"threshold": 0.3}))


def test_a_spec_without_a_decision_is_written_as_before() -> None:
    assert "decision" not in Spec.model_validate(document()).model_dump()


NUMBERS = {"uri": "t.csv", "target": "late", "task": "regression"}
CLASSES = {"uri": "t.csv", "target": "late", "task": "multiclass", "classes": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("data", "gates", "said"),
    [
        (NUMBERS, {"fairness": {"by": ["sex"]}}, "max_error_gap: is missing; name the largest difference of errors"),
    ],
)
def test_a_gate_that_a_task_has_no_meaning_for_is_refused(data: Any, gates: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Spec.model_validate(document(data=data, training={}, gates=gates))


def test_groups_are_compared_in_every_task() -> None:
    Spec.model_validate(document(data=NUMBERS, training={}, gates={"fairness": {"by": ["sex"], "max_error_gap": 0.2}}))
    Spec.model_validate(document(data=CLASSES, training={}, gates={"fairness": {"by": ["sex", "region"]}}))
