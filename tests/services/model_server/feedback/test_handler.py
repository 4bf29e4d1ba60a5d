from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from services.telemetry import FEEDBACK_MATCHED
from tests.patience import patient
from tests.services.model_server.conftest import Caller, StartServer, listening
from tests.services.model_server.log_files import wait_for_lines
from tests.small_package import GOOD

LOW, HIGH = {**GOOD, "tenure": 0}, {**GOOD, "tenure": 120}


def labels(server: Caller) -> dict[str, float]:
    return {
        name: value for name, value in server.metrics().items() if name.startswith("canario_labels_total") and value
    }


def bin_counted(server: Caller) -> str:
    """The bin of the only score that was answered so far."""
    (name,) = [name for name, value in server.metrics().items() if name.startswith("canario_scores_total") and value]
    return name.removeprefix("canario_scores_total")[1:-1]


def test_a_label_counts_in_the_bin_of_the_answered_score(server: Caller) -> None:
    """A label counts in the bin of the score that was answered."""
    request_id = server.predict(GOOD).headers["x-request-id"]
    place = bin_counted(server)
    reply = server.post("/feedback", {"request_id": request_id, "label": "Yes"})
    assert (reply.status, reply.json()) == (200, {"request_id": request_id, "matched": True})
    assert labels(server) == {f'canario_labels_total{{{place},label="positive"}}': 1}
    assert server.metrics()['canario_feedback_total{matched="true"}'] == 1


def test_the_same_feedback_again_counts_no_label(server: Caller) -> None:
    request_id = server.predict(GOOD).headers["x-request-id"]
    for _ in range(3):
        reply = server.post("/feedback", {"request_id": request_id, "label": "Yes"})
        assert (reply.status, reply.json()["matched"]) == (200, True)
    assert sum(labels(server).values()) == 1
    assert server.metrics()['canario_feedback_total{matched="conflict"}'] == 0


def test_a_contradicting_label_is_a_fault_and_does_not_count(server: Caller) -> None:
    """A label that contradicts the first one is a fault of its own, and does not count."""
    request_id = server.predict(GOOD).headers["x-request-id"]
    place = bin_counted(server)
    server.post("/feedback", {"request_id": request_id, "label": "Yes"})
    reply = server.post("/feedback", {"request_id": request_id, "label": "No"})
    problem = "row 0 had another label before; the first one counts"
    assert (reply.status, reply.json()) == (
        409,
        {"request_id": request_id, "matched": False, "problem": problem},
    )
    assert labels(server) == {f'canario_labels_total{{{place},label="positive"}}': 1}
    counted = {word: server.metrics()[f'canario_feedback_total{{matched="{word}"}}'] for word in FEEDBACK_MATCHED}
    assert counted == {"true": 1, "false": 0, "conflict": 1}


def test_a_contradiction_leaves_the_bodys_other_messages_alone(server: Caller) -> None:
    """A contradiction within one body leaves the other messages alone."""
    first, second = (server.predict(GOOD).headers["x-request-id"] for _ in range(2))
    messages = [{"request_id": one, "label": label} for one, label in ((first, "Yes"), (first, "No"), (second, "No"))]
    reply = server.post("/feedback", messages)
    assert reply.status == 409
    assert [(answer["matched"], "problem" in answer) for answer in reply.json()] == [
        (True, False),
        (False, True),
        (True, False),
    ]
    assert sum(labels(server).values()) == 2


def test_a_batch_has_a_label_for_each_row_and_counts_one(server: Caller) -> None:
    request_id = server.predict([LOW, HIGH, LOW]).headers["x-request-id"]
    assert server.post("/feedback", {"request_id": request_id, "label": ["No", "Yes", "No"]}).status == 200
    counted = labels(server)
    assert sorted(counted.values()) == pytest.approx([1 / 3, 2 / 3])
    assert {name.partition("label=")[2] for name, count in counted.items() if count > 0.5} == {'"negative"}'}
    assert server.metrics()['canario_feedback_total{matched="true"}'] == 3


def test_several_requests_may_be_labelled_at_once(server: Caller) -> None:
    ids = [server.predict(GOOD).headers["x-request-id"] for _ in range(2)]
    messages = [{"request_id": one, "label": "No"} for one in [*ids, "unknown"]]
    reply = server.post("/feedback", messages)
    assert reply.status == 202
    assert [answer["matched"] for answer in reply.json()] == [True, True, False]
    assert sum(labels(server).values()) == 2
    assert server.metrics()['canario_feedback_total{matched="false"}'] == 1


def test_an_unknown_request_is_taken_but_not_counted(server: Caller) -> None:
    reply = server.post("/feedback", {"request_id": "long-ago", "label": "Yes"})
    assert (reply.status, reply.json()) == (202, {"request_id": "long-ago", "matched": False})
    assert labels(server) == {}


@pytest.mark.parametrize(
    ("message", "field", "problem"),
    [
        ({"request_id": "a", "label": "Perhaps"}, "label", "is no label"),
        ({"request_id": "a", "label": ["Yes", None]}, "label", "is no label"),
        ({"request_id": "a", "label": 0.5}, "label", "is no label"),
        ({"request_id": 7, "label": "Yes"}, "request_id", "is no request id"),
        ({"request_id": "ü", "label": "Yes"}, "request_id", "is no request id"),
        ({"request_id": "a"}, None, "is not an object with just these two fields"),
        ({"request_id": "a", "label": "Yes", "more": 1}, None, "is not an object with just these two fields"),
        ("a", None, "is not an object with just these two fields"),
    ],
)
def test_wrong_feedback_is_named(server: Caller, message: Any, field: str | None, problem: str) -> None:
    reply = server.post("/feedback", message)
    assert reply.status == 422
    found = reply.json()["problems"][0]
    assert (found["row"], found["field"], found["problem"]) == (0, field, problem)
    assert server.metrics()['canario_refused_total{reason="feedback"}'] == 1


@pytest.mark.parametrize("label", ["Yes", ["Yes"], ["Yes", "No", "Yes"], []])
def test_too_many_or_too_few_labels_are_refused(server: Caller, label: Any) -> None:
    """Too many or too few labels are refused, and count for nothing."""
    request_id = server.predict([LOW, HIGH]).headers["x-request-id"]
    reply = server.post("/feedback", {"request_id": request_id, "label": label})
    assert reply.status == 422
    assert reply.json()["problems"][0]["allowed"] == "2, one for each row of the request"
    assert labels(server) == {}


@pytest.mark.parametrize("body", [b"{", b"[]", b"[" * 60000])
def test_a_body_that_says_nothing_is_refused(server: Caller, body: bytes) -> None:
    assert server.post("/feedback", body=body).status in (400, 422)


def test_feedback_is_kept_for_a_later_join(serve: StartServer, tmp_path: Path) -> None:
    server = serve(log_dir=tmp_path)
    request_id = server.predict(GOOD).headers["x-request-id"]
    server.post("/feedback", [{"request_id": request_id, "label": "Yes"}, {"request_id": "gone", "label": ["No"]}])
    wait_for_lines(tmp_path, "feedback", 2)
    lines = [json.loads(line) for path in tmp_path.glob("feedback-*") for line in path.read_text().splitlines()]
    assert [(line["request_id"], line["label"], line["matched"]) for line in lines] == [
        (request_id, "Yes", True),
        ("gone", ["No"], False),
    ]


def test_a_label_for_another_replicas_answer_is_passed_on_once(serve: StartServer) -> None:
    """A label for a request that another replica answered is passed on once."""
    answered = serve(version="2")
    request_id = answered.predict(GOOD).headers["x-request-id"]
    with listening(answered.app) as port:
        server = serve(peers=f"127.0.0.1:{port}")
        known = server.post("/feedback", {"request_id": request_id, "label": "Yes"})
        unknown = server.post("/feedback", {"request_id": "nobody", "label": "Yes"})
    assert (known.status, known.json()["matched"]) == (200, True)
    assert (unknown.status, unknown.json()["matched"]) == (202, False)
    assert sum(labels(answered).values()) == 1
    assert labels(server) == {}
    # Only who took the feedback counts that nobody knows it.
    assert answered.metrics()['canario_feedback_total{matched="false"}'] == 0
    assert server.metrics()['canario_feedback_total{matched="false"}'] == 1


def test_messages_that_are_passed_on_are_judged_one_by_one(serve: StartServer) -> None:
    answered = serve(version="2")
    single, batch, labelled = (answered.predict(body).headers["x-request-id"] for body in (GOOD, [LOW, HIGH], GOOD))
    answered.post("/feedback", {"request_id": labelled, "label": "Yes"})
    with listening(answered.app) as port:
        server = serve(peers=f"127.0.0.1:{port}")
        sent = ((single, "Yes"), (batch, "Yes"), (labelled, "No"), ("nobody", "No"))
        reply = server.post("/feedback", [{"request_id": one, "label": label} for one, label in sent])
    assert reply.status == 409
    assert [(answer["request_id"], answer["matched"], answer.get("problem")) for answer in reply.json()] == [
        (single, True, None),
        (batch, False, "has 1 labels; the answer has 2, one for each row of the request"),
        (labelled, False, "row 0 had another label before; the first one counts"),
        ("nobody", False, None),
    ]
    assert sum(labels(answered).values()) == 2
    # Each row is counted once: what the peer knows there, the rest here.
    assert answered.metrics()['canario_feedback_total{matched="conflict"}'] == 2
    assert server.metrics()['canario_feedback_total{matched="conflict"}'] == 0
    assert server.metrics()['canario_feedback_total{matched="false"}'] == 1


def test_a_label_of_the_other_version_does_not_drop_the_rest(server: Caller) -> None:
    """A forwarded label that only the other version knows does not drop the rest."""
    known = server.predict(GOOD).headers["x-request-id"]
    messages = [{"request_id": "elsewhere", "label": "gone"}, {"request_id": known, "label": "Yes"}]
    forwarded = server.post("/feedback", messages, x_canario_forwarded="1")
    assert [answer["matched"] for answer in forwarded.json()] == [False, True]
    # From a caller it is a fault, and nothing counts.
    assert server.post("/feedback", messages).status == 422
    assert sum(labels(server).values()) == 1


def test_feedback_that_was_passed_on_is_not_passed_on_again(serve: StartServer) -> None:
    answered = serve()
    request_id = answered.predict(GOOD).headers["x-request-id"]
    with listening(answered.app) as port:
        server = serve(peers=f"127.0.0.1:{port}")
        reply = server.post("/feedback", {"request_id": request_id, "label": "Yes"}, x_canario_forwarded="1")
    assert (reply.status, reply.json()["matched"]) == (202, False)


def test_peers_that_are_not_there_do_no_harm(serve: StartServer) -> None:
    server = serve(peers="127.0.0.1:1,no-such-host.invalid:80")
    assert server.post("/feedback", {"request_id": "a", "label": "Yes"}).status == 202


@contextmanager
def hanging_up() -> Iterator[int]:
    """A port on which every connection is accepted and reset at once, as by a replica that is being stopped."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(patient(10))


def test_peers_that_hang_up_do_no_harm(serve: StartServer) -> None:
    with hanging_up() as port:
        server = serve(peers=f"127.0.0.1:{port}")
        statuses = {server.post("/feedback", {"request_id": "a", "label": "Yes"}).status for _ in range(50)}
    assert statuses == {202}
