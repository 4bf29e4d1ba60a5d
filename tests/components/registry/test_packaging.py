from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.evaluation.decision import threshold_of
from components.features.encoding import encode_rows
from components.package.answers import TOLERANCE
from components.package.model_package import open_graph
from components.spec.contract import Rollout, Scale, Spec
from components.spec.views import learning_view, table_view
from components.table.requests import requests_of
from tests.components.small_table import DOCUMENT, small_spec
from tests.components.trained_small import (
    ORIGIN,
    WORTH,
    evaluated,
    packaged,
    small_cuts,
    small_model,
    small_sides,
    trained,
)
from tests.small_package import word_answer

SPEC = small_spec()


def test_every_row_of_the_hold_out_is_answered_as_in_training(tmp_path: Path) -> None:
    package = packaged(tmp_path / "p", small_model())
    holdout = small_sides().holdout
    requests = requests_of(holdout, package.contract.features)
    answers = open_graph(package).predict(encode_rows(package.contract.encoding, requests))
    assert np.abs(answers - trained(small_model()).score(holdout.columns)).max() < TOLERANCE
    assert sum(request["größe"] is None or request["plan"] is None for request in requests) > 5


def test_requests_are_in_the_unit_that_callers_send() -> None:
    holdout = small_sides().holdout
    first = requests_of(holdout, SPEC.features)[0]
    row = holdout.frame.iloc[0]
    assert first["spend"] == pytest.approx(100 * row["spend"])
    assert first["since"] == row["since"]
    assert first["senior"] == int(row["senior"])
    assert type(first["senior"]) is int


def test_a_request_never_steps_over_a_bound() -> None:
    edge = small_sides().holdout
    features = {**DOCUMENT["features"], "spend": {**DOCUMENT["features"]["spend"], "max": 37, "factor": 0.1}}
    highest = edge.columns | {"spend": np.full(len(edge), 37 * 0.1)}
    requests = requests_of(type(edge)(edge.frame, highest, edge.labels), small_spec(features=features).features)
    assert {request["spend"] for request in requests} == {37.0}


def test_golden_rows_have_gaps_and_both_labels(tmp_path: Path) -> None:
    golden = packaged(tmp_path / "p", small_model()).golden
    assert len(golden) == 50
    assert {word_answer(row).label for row in golden} == {"yes", "no"}
    assert 10 <= sum(None in row.request.values() for row in golden) <= 40


def test_the_same_inputs_give_the_same_package(tmp_path: Path) -> None:
    first, second = packaged(tmp_path / "a", small_model()), packaged(tmp_path / "b", small_model())
    assert first.digest == second.digest


def test_a_receipt_names_the_champion_and_the_packages_origin(tmp_path: Path) -> None:
    """A receipt names the champion and everything that the package was made from."""
    champion = packaged(tmp_path / "a", small_model(c=0.001))
    package = packaged(tmp_path / "b", small_model(), champion=champion)
    receipt = package.receipt
    assert (receipt.run, receipt.data, receipt.code, receipt.lock) == (
        ORIGIN.run,
        ORIGIN.snapshot,
        ORIGIN.code,
        ORIGIN.lock,
    )
    assert receipt.champion == package.holdout.champion == champion.digest
    assert receipt.parameters == {"C": 1.0}
    assert any(package.holdout.shift)
    assert champion.receipt.champion is None
    assert not any(champion.holdout.shift)


def test_another_unit_for_callers_makes_another_package(tmp_path: Path) -> None:
    """Another unit for callers makes another package of the same model."""
    features = {**DOCUMENT["features"], "spend": {"type": "number", "unit": "USD", "min": 0, "max": 500}}
    dollars = small_spec(features=features)
    assert table_view(dollars) == table_view(SPEC)
    first, second = packaged(tmp_path / "a", small_model()), packaged(tmp_path / "b", small_model(), dollars)
    assert first.digest != second.digest
    assert first.receipt.files["model.onnx"] == second.receipt.files["model.onnx"]
    # The same customer, in cents and in dollars.
    cents, usd = first.golden[0].request["spend"], second.golden[0].request["spend"]
    assert cents == pytest.approx(100 * float(usd or 0))
    assert word_answer(first.golden[0]).probability == pytest.approx(
        word_answer(second.golden[0]).probability, abs=1e-6
    )


def test_a_receipt_keeps_what_the_package_can_be_made_again_from(tmp_path: Path) -> None:
    elsewhere = SPEC.model_copy(
        update={
            "data": SPEC.data.model_copy(update={"uri": "elsewhere.csv"}),
            "rollout": Rollout(step_weight=5),
            "scale": Scale(min=3),
        }
    )
    first, second = packaged(tmp_path / "a", small_model()), packaged(tmp_path / "b", small_model(), elsewhere)
    assert first.digest == second.digest
    again = Spec.model_validate(first.receipt.spec)
    assert learning_view(again) == learning_view(SPEC)
    assert (again.purpose, again.gates, again.limits) == (SPEC.purpose, SPEC.gates, SPEC.limits)
    owned = packaged(tmp_path / "c", small_model(), small_spec(owner="somebody"))
    assert owned.receipt.spec["owner"] == "somebody"
    assert owned.digest != first.digest


def test_a_contract_carries_the_decision_and_its_threshold(tmp_path: Path) -> None:
    spec = small_spec(decision={"value": WORTH, "capacity": {"decisions": 1, "of": 4}})
    package = packaged(tmp_path / "p", small_model(), spec)
    contract = package.contract
    assert contract.schema_version == 2
    assert contract.decision == spec.decision
    assert contract.threshold == threshold_of(spec.decision, small_cuts())
    assert package.receipt.metrics["value"] == evaluated(small_model(), spec).metrics["value"].value
    for row in package.golden:
        answer = word_answer(row)
        assert answer.decision == (answer.probability >= contract.threshold) == (answer.label == "yes")


def test_a_contract_without_a_decision_is_of_the_first_schema(tmp_path: Path) -> None:
    package = packaged(tmp_path / "p", small_model())
    assert package.contract.schema_version == 1
    assert b"decision" not in (package.path / "contract.json").read_bytes()
    assert b"decision" not in (package.path / "golden.jsonl").read_bytes()
    assert len(package.receipt.metrics) == 6
