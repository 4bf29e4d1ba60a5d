"""A model of numbers is served: its values with an interval, its feedback, and what is counted of both."""

from __future__ import annotations

import numpy as np
import pytest

from components.package.model_package import Package
from services.model_server.errors import ModelError, SettingsError
from services.model_server.wording import NumberWording
from services.telemetry import LABEL_LOSSES
from tests.services.model_server.conftest import Caller, StartServer
from tests.small_answers import ROWS, number_contract, values, write_number_package


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return write_number_package(tmp_path_factory.mktemp("packages") / "numbers")


@pytest.fixture
def server(serve: StartServer, numbers: Package) -> Caller:
    return serve(numbers.path, version="3")


def test_a_row_gets_a_value_and_its_interval(server: Caller) -> None:
    expected = values(number_contract(), ROWS)
    for row, value in zip(ROWS, expected.tolist(), strict=True):
        reply = server.predict(row).json()
        assert list(reply) == ["value", "interval", "version"]
        assert reply["value"] == pytest.approx(value, abs=number_contract().tolerance)
        half = 250.0 if value <= 5000 else 1000.0
        assert (reply["interval"]["low"], reply["interval"]["high"]) == pytest.approx((value - half, value + half))
        assert (reply["interval"]["level"], reply["version"]) == (0.9, "3")
    assert {value <= 5000 for value in expected.tolist()} == {True, False}


def test_a_batch_gets_the_answers_of_its_rows(server: Caller) -> None:
    assert server.get("/readyz").status == 200
    assert server.predict(ROWS).json() == [server.predict(row).json() for row in ROWS]


def test_values_are_counted_by_the_contracts_bins(server: Caller) -> None:
    server.predict(ROWS)
    metrics = server.metrics()
    places = number_contract().counted.places(values(number_contract(), ROWS)).ravel().tolist()
    counted = {place: metrics[f'canario_scores_total{{bin="{place}"}}'] for place in range(20)}
    assert counted == pytest.approx({place: places.count(place) / len(ROWS) for place in range(20)})
    assert metrics['canario_score_edge{bin="3"}'] == 2500
    assert metrics['canario_score_edge{bin="19"}'] == float("inf")
    assert metrics['canario_label_loss_info{loss="absolute error / 4000"}'] == 1


def test_a_truth_counts_by_its_bounded_error(server: Caller) -> None:
    """400 off is a tenth of the scale; twice the scale off counts as 1, and is told."""
    for identifier, off in (("near", 400.0), ("far", -8000.0)):
        value = server.predict(ROWS[0], x_request_id=identifier).json()["value"]
        assert server.post("/feedback", {"request_id": identifier, "value": value + off}).status == 200
    metrics = server.metrics()
    cells = [metrics[f'canario_labels_total{{bin="{cell}",label="loss"}}'] for cell in range(len(LABEL_LOSSES))]
    assert sum(cells) == pytest.approx(2)
    assert sum(cell * loss for cell, loss in zip(cells, LABEL_LOSSES, strict=True)) == pytest.approx(0.1 + 1)
    assert metrics["canario_labels_capped_total"] == 1
    assert metrics['canario_feedback_total{matched="true"}'] == 2


def test_a_truth_counts_once_and_another_contradicts_it(server: Caller) -> None:
    server.predict(ROWS[:2], x_request_id="pair")
    message = {"request_id": "pair", "value": [1000, 2000.5]}
    assert [server.post("/feedback", message).status for _ in range(2)] == [200, 200]
    reply = server.post("/feedback", {"request_id": "pair", "value": [1000, 2001]})
    assert (reply.status, reply.json()["problem"]) == (409, "row 1 had another label before; the first one counts")
    metrics = server.metrics()
    assert sum(count for name, count in metrics.items() if name.startswith("canario_labels_total")) == pytest.approx(1)


@pytest.mark.parametrize("value", ["much", None, True, [1.0, "x"], 10**400, [float("nan")]])
def test_what_is_no_number_is_refused(server: Caller, value: object) -> None:
    reply = server.post("/feedback", {"request_id": "a", "value": value})
    assert reply.status == 422
    assert reply.json()["problems"][0]["allowed"] == "a finite number"


def test_a_word_is_no_feedback_here(server: Caller) -> None:
    reply = server.post("/feedback", {"request_id": "a", "label": "Yes"})
    assert reply.status == 422
    assert '"value": number' in reply.json()["problems"][0]["allowed"]


def test_the_description_names_value_unit_and_coverage(server: Caller) -> None:
    document = server.get("/openapi.json").json()
    answer = document["components"]["schemas"]["Answer"]
    assert answer["required"] == ["value", "interval", "version"]
    assert answer["properties"]["value"]["description"] == "price in USD"
    assert "91.0% of 200 rows" in answer["properties"]["interval"]["description"]
    example = document["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]["example"]
    assert example == server.predict(ROWS[0]).json()
    feedback = document["paths"]["/feedback"]["post"]["requestBody"]["content"]["application/json"]
    assert isinstance(feedback["example"]["value"], float)
    assert server.get("/schema").json()["target"] == {"name": "price", "unit": "USD", "spread": 2000.0}


def test_stale_answers_are_those_of_other_rows(serve: StartServer, numbers: Package) -> None:
    faulty = serve(numbers.path, fault_stale_ratio=1)
    first, second = (faulty.predict(row).json()["value"] for row in (ROWS[0], ROWS[5]))
    assert first == second


def test_a_shadow_of_numbers_is_refused(serve: StartServer, numbers: Package) -> None:
    with pytest.raises(SettingsError, match="task regression has no shadow yet"):
        serve(numbers.path, shadow_url="http://127.0.0.1:1/predict")


def test_an_opposite_label_is_refused(serve: StartServer, numbers: Package) -> None:
    with pytest.raises(SettingsError, match="has no opposite label"):
        serve(numbers.path, fault_slice="contract=One year:0.5")


def test_numbers_have_no_classes_to_swap(serve: StartServer, numbers: Package) -> None:
    with pytest.raises(SettingsError, match="answers of task regression have no classes to swap"):
        serve(numbers.path, fault_swapped_ratio=1)


def test_a_graph_that_says_no_number_is_an_error() -> None:
    """An answer that JSON has no word for never reaches a caller."""
    interval = number_contract().interval
    assert interval is not None
    with pytest.raises(ModelError):
        NumberWording(interval, "1").scores(np.array([1.0, np.nan]))
