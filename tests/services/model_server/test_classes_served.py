"""A model of classes is served: the probability of each, their feedback, and what is counted of both."""

from __future__ import annotations

import numpy as np
import pytest

from components.package.model_package import Package
from services.judge.evidence.exposition import parse_page, read_replica
from services.model_server.errors import ModelError
from services.model_server.wording import ClassWording
from services.telemetry import LABEL_LOSSES
from tests.services.model_server.conftest import Caller, StartServer
from tests.small_answers import CLASSES, ROWS, class_contract, class_probabilities, write_class_package


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return write_class_package(tmp_path_factory.mktemp("packages") / "classes")


@pytest.fixture
def server(serve: StartServer, classes: Package) -> Caller:
    return serve(classes.path)


def test_a_row_gets_each_classs_probability_and_the_likeliest(server: Caller) -> None:
    assert server.get("/readyz").status == 200
    expected = class_probabilities(class_contract(), ROWS)
    for row, probabilities in zip(ROWS, expected.tolist(), strict=True):
        reply = server.predict(row).json()
        assert list(reply) == ["probabilities", "label", "version"]
        assert list(reply["probabilities"]) == list(CLASSES)
        assert list(reply["probabilities"].values()) == pytest.approx(probabilities, abs=1e-6)
        assert reply["label"] == CLASSES[int(np.argmax(probabilities))]
    assert server.predict(ROWS).json() == [server.predict(row).json() for row in ROWS]


def test_answers_are_counted_by_largest_probability_and_by_class(server: Caller) -> None:
    server.predict(ROWS)
    metrics = server.metrics()
    outputs = class_probabilities(class_contract(), ROWS)
    named = outputs.argmax(axis=1).tolist()
    by_class = [metrics[f'canario_scores_total{{bin="label:{place}"}}'] for place in range(3)]
    assert by_class == pytest.approx([named.count(place) / len(ROWS) for place in range(3)])
    ordered = [metrics[f'canario_scores_total{{bin="{place}"}}'] for place in range(20)]
    assert sum(ordered) == pytest.approx(1)
    assert metrics["canario_rows_total"] == len(ROWS)


def test_a_true_class_counts_by_the_brier_score_over_the_classes(server: Caller) -> None:
    reply = server.predict(ROWS[0], x_request_id="a").json()
    assert server.post("/feedback", {"request_id": "a", "label": CLASSES[2]}).status == 200
    truth = np.eye(3)[2]
    loss = ((np.array(list(reply["probabilities"].values())) - truth) ** 2).sum() / 2
    metrics = server.metrics()
    cells = [metrics[f'canario_labels_total{{bin="{cell}",label="loss"}}'] for cell in range(len(LABEL_LOSSES))]
    assert sum(cells) == pytest.approx(1)
    assert sum(cell * low for cell, low in zip(cells, LABEL_LOSSES, strict=True)) == pytest.approx(loss, abs=1e-4)


def test_another_class_contradicts_the_first(server: Caller) -> None:
    server.predict(ROWS[:3], x_request_id="three")
    assert server.post("/feedback", {"request_id": "three", "label": list(CLASSES)}).status == 200
    reply = server.post("/feedback", {"request_id": "three", "label": [CLASSES[0], CLASSES[0], CLASSES[2]]})
    assert (reply.status, reply.json()["problem"]) == (409, "row 1 had another label before; the first one counts")


def test_a_class_that_is_none_of_them_is_refused(server: Caller) -> None:
    server.predict(ROWS[0], x_request_id="a")
    reply = server.post("/feedback", {"request_id": "a", "label": "huge"})
    assert reply.status == 422
    assert reply.json()["problems"][0]["allowed"] == f"one of {', '.join(CLASSES)}"


def test_the_description_names_every_class(server: Caller) -> None:
    document = server.get("/openapi.json").json()
    answer = document["components"]["schemas"]["Answer"]
    assert answer["properties"]["label"]["enum"] == list(CLASSES)
    assert answer["properties"]["probabilities"]["required"] == list(CLASSES)


def test_swapped_classes_keep_the_largest_probability(serve: StartServer, classes: Package) -> None:
    """Each class gets the probability of the one before it; no bin of the largest probability tells of it."""
    honest, swapped = serve(classes.path), serve(classes.path, fault_swapped_ratio=1)
    right, wrong = (server.predict(ROWS[0]).json()["probabilities"] for server in (honest, swapped))
    assert [wrong[name] for name in (*CLASSES[1:], CLASSES[0])] == list(right.values())
    bins = [{name: value for name, value in server.metrics().items() if name.startswith("canario_scores_total")
             and "label:" not in name} for server in (honest, swapped)]  # fmt: skip
    assert bins[0] == bins[1]


def test_the_judge_reads_the_answers_of_each_class(server: Caller) -> None:
    server.predict(ROWS)
    reading = read_replica(parse_page(server.get("/metrics").body.decode()), class_contract().name, 0)
    assert reading is not None
    named = class_probabilities(class_contract(), ROWS).argmax(axis=1).tolist()
    assert reading.counts.classes == pytest.approx([named.count(place) / len(ROWS) for place in range(3)])
    assert reading.answers.classes == CLASSES
    assert reading.answers.loss == "Brier loss over classes"


@pytest.mark.parametrize("row", [[0.5, 0.5, 0.5], [1.5, -0.5, 0.0], [float("nan"), 0.5, 0.5]])
def test_what_is_no_distribution_is_an_error(row: list[float]) -> None:
    contract = class_contract()
    assert contract.task == "multiclass"
    with pytest.raises(ModelError):
        ClassWording(contract.target, "1").scores(np.array([row]))  # type: ignore[arg-type]
