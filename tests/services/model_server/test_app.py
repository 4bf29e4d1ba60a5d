from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.package.model_package import Package
from services.model_server import app as app_module
from services.model_server import documents
from services.model_server.model import Model
from tests.services.model_server.conftest import Caller, StartServer
from tests.small_package import GOOD, golden_rows, probabilities, small_contract, word_answer, write_small_package

ID = "4bf92f3577b34da6"


def test_one_object_gets_one_answer(server: Caller) -> None:
    reply = server.predict(GOOD)
    expected = probabilities(small_contract().encoding, [GOOD])[0]
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert list(reply.json()) == ["probability", "label", "version"]
    assert reply.json()["probability"] == pytest.approx(expected, abs=1e-6)
    assert (reply.json()["label"], reply.json()["version"]) == ("Yes", "1")


@pytest.mark.parametrize("rows", [1, 3, 64, 100])
def test_a_list_gets_a_list_in_its_order(server: Caller, rows: int) -> None:
    batch = [{**GOOD, "tenure": row % 121, "contract": ("One year", "Two year")[row % 2]} for row in range(rows)]
    answers = server.predict(batch).json()
    expected = probabilities(small_contract().encoding, batch)
    assert [answer["probability"] for answer in answers] == pytest.approx(list(expected), abs=1e-6)
    assert answers == [server.predict(row).json() for row in batch]


def test_the_label_is_positive_from_the_threshold_on(server: Caller, package: Package) -> None:
    for row in package.golden:
        answer = server.predict(row.request).json()
        assert answer["label"] == ("Yes" if answer["probability"] >= 0.5 else "No") == word_answer(row).label


def test_every_answer_names_the_package_and_the_version(serve: StartServer, package: Package) -> None:
    server = serve(version="7")
    for reply in (server.predict(GOOD), server.predict({}), server.get("/healthz"), server.get("/nowhere")):
        assert reply.headers["x-canario-receipt"] == package.digest
        assert reply.headers["x-canario-version"] == "7"
    assert server.predict(GOOD).json()["version"] == "7"


def test_a_request_id_is_kept(server: Caller) -> None:
    assert server.predict(GOOD, x_request_id=ID).headers["x-request-id"] == ID
    refused = server.predict({}, x_request_id=ID)
    assert refused.headers["x-request-id"] == refused.json()["request_id"] == ID


def test_a_request_id_is_made_and_cannot_be_guessed_from_others(server: Caller) -> None:
    made = [server.get("/healthz").headers["x-request-id"] for _ in range(600)]
    assert len(set(made)) == 600
    assert {len(one) for one in made} == {32}
    # Nothing of one tells anything of the next: in every place every digit comes up.
    assert all(set(place) == set("0123456789abcdef") for place in zip(*made, strict=True))


@pytest.mark.parametrize("odd", ["", "a b", 'a"b', "a\\b", "ü", "a" * 129, "a\nb"])
def test_a_request_id_that_would_break_a_log_line_is_replaced(server: Caller, odd: str) -> None:
    assert server.predict(GOOD, x_request_id=odd).headers["x-request-id"] != odd


def test_a_body_may_come_in_pieces(server: Caller) -> None:
    body = json.dumps(GOOD).encode()
    reply = server.call("POST", "/predict", [body[:10], b"", body[10:50], body[50:]])
    assert reply is not None
    assert reply.body == server.predict(GOOD).body


def test_a_caller_that_hangs_up_counts_for_nothing(server: Caller) -> None:
    """A caller that hangs up gets nothing, and counts for nothing."""
    assert server.call("POST", "/predict", [b'{"tenure'], then="hang up") is None
    assert server.metrics()["canario_requests_total"] == 0


def test_a_body_that_never_ends_is_given_up(server: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "_BODY_TIMEOUT", 0.01)
    reply = server.call("POST", "/predict", [b"{"], then="silence")
    assert reply is not None
    assert (reply.status, reply.headers["connection"]) == (408, "close")


@pytest.mark.parametrize("pieces", [[b" " * 65537], [b" " * 40000, b" " * 40000], [b" " * 65536] * 40])
def test_a_body_too_large_is_refused(server: Caller, pieces: list[bytes]) -> None:
    reply = server.call("POST", "/predict", pieces)
    assert reply is not None
    assert reply.status == 413
    assert reply.json()["error"] == "the body has more than the 65536 bytes allowed"
    assert server.metrics()['canario_refused_total{reason="body_too_large"}'] == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere/", 404), ("GET", "/predict/", 405), ("POST", "/nowhere", 404), ("GET", "/predict", 405),
        ("GET", "/feedback", 405), ("DELETE", "/schema", 405), ("PUT", "/predict", 405), ("GET", "/docs/passwd", 404),
        ("GET", "/docs/../app.py", 404), ("POST", "/readyz", 405),
        ("PATCH", "/predict", 405), ("DELETE", "/feedback", 405),
    ],
)  # fmt: skip
def test_a_wrong_route_says_which_there_are(server: Caller, method: str, path: str, status: int) -> None:
    reply = server.call(method, path)
    assert reply is not None
    assert reply.status == status
    assert "POST /predict" in reply.json()["error"]


@pytest.mark.parametrize(("path", "allow"), [("/predict", "POST"), ("/feedback", "POST"), ("/schema", "GET, HEAD")])
def test_a_wrong_method_is_told_the_right_ones(server: Caller, path: str, allow: str) -> None:
    reply = server.call("PUT", path)
    assert reply is not None
    assert (reply.status, reply.headers["allow"]) == (405, allow)
    asked = server.call("OPTIONS", path)
    assert asked is not None
    assert (asked.status, asked.headers["allow"]) == (405, allow)
    assert "CORS" in asked.json()["error"]


def test_a_slash_after_a_route_and_the_root_are_understood(server: Caller) -> None:
    reply = server.call("POST", "/predict/", [json.dumps(GOOD).encode()])
    assert reply is not None
    assert reply.status == 200
    assert server.get("/").body == server.get("/docs").body


def test_a_packed_body_is_read_within_the_limits(server: Caller) -> None:
    body, gzipped = json.dumps(GOOD).encode(), {"content_encoding": "gzip"}
    assert server.post("/predict", body=gzip.compress(body), **gzipped).status == 200
    assert server.post("/predict", body=zlib.compress(body), content_encoding="deflate").status == 200
    assert server.post("/predict", body=body, content_encoding="identity").status == 200
    for packed, headers, status, said in (
        (body, gzipped, 400, "the body is not gzip, as its Content-Encoding says"),
        (gzip.compress(body)[:-9], gzipped, 400, "breaks off"),
        (gzip.compress(b" " * 10_000_000), gzipped, 413, "unpacks to more than the 65536 bytes allowed"),
        (body, {"content_encoding": "br"}, 415, "'br' is not read here; allowed are gzip and deflate"),
    ):
        reply = server.post("/predict", body=packed, **headers)
        assert reply.status == status
        assert said in reply.json()["error"]


def test_packed_feedback_is_read(server: Caller) -> None:
    answered = server.post("/predict", GOOD).headers["x-request-id"]
    body = gzip.compress(json.dumps({"request_id": answered, "label": "Yes"}).encode())
    assert server.post("/feedback", body=body, content_encoding="gzip").json()["matched"] is True


def test_alive_and_ready(server: Caller) -> None:
    assert server.get("/healthz").json() == {"alive": True}
    assert server.get("/readyz").status == 200


def test_it_is_not_ready_before_the_golden_requests_are_answered(serve: StartServer) -> None:
    """The server is not ready before the golden requests are answered."""
    server = serve(prove=False)
    assert server.get("/healthz").status == 200
    assert server.get("/readyz").status == 503
    assert server.predict(GOOD).status == 500


def test_it_is_never_ready_after_a_wrong_golden_answer(serve: StartServer, tmp_path: Path) -> None:
    """The server never gets ready when a golden request is answered wrongly."""
    golden = golden_rows(small_contract())
    wrong = golden[2].answer.model_copy(update={"probability": word_answer(golden[2]).probability + 2e-6})
    golden[2] = golden[2].model_copy(update={"answer": wrong})
    server = serve(write_small_package(tmp_path / "wrong", golden=golden).path)
    assert server.get("/readyz").status == 503
    assert "golden request 3 is answered" in server.get("/readyz").json()["reason"]
    assert server.predict(GOOD).status == 500
    assert server.metrics()["canario_errors_total"] == 1


def test_a_golden_answer_within_the_tolerance_will_do(serve: StartServer, tmp_path: Path) -> None:
    golden = golden_rows(small_contract())
    near = golden[2].answer.model_copy(update={"probability": word_answer(golden[2]).probability + 5e-7})
    golden[2] = golden[2].model_copy(update={"answer": near})
    assert serve(write_small_package(tmp_path / "near", golden=golden).path).get("/readyz").status == 200


def test_while_it_drains_it_answers_but_takes_no_more(server: Caller) -> None:
    server.app.draining = True
    assert server.get("/readyz").status == 503
    reply = server.predict(GOOD)
    assert (reply.status, reply.headers["connection"]) == (200, "close")


def test_an_unexpected_exception_is_a_500_without_the_inputs(
    server: Caller, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unexpected exception is answered with 500, and the answer says nothing of the inputs."""

    def explode(*_: Any) -> None:
        raise KeyError("Two year")

    monkeypatch.setattr(Model, "encode", explode)
    reply = server.predict(GOOD, x_request_id=ID)
    assert reply.status == 500
    assert reply.json() == {"error": "the server failed; its log has the request id", "request_id": ID}
    logged = capsys.readouterr().err
    assert ID in logged
    assert "KeyError" in logged
    assert "year" not in logged
    assert server.metrics()["canario_errors_total"] == 1


def test_an_exception_outside_of_prediction_is_answered_as_well(
    server: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(documents, "swagger_file", explode)
    assert server.get("/docs/swagger-ui.css").status == 500


def test_what_is_counted(server: Caller) -> None:
    low, high = {**GOOD, "tenure": 0}, {**GOOD, "tenure": 120}
    scores = [server.predict(row).json()["probability"] for row in (low, high)]
    server.predict([low, high])
    server.predict({})
    metrics = server.metrics()
    assert metrics["canario_requests_total"] == 3
    assert metrics["canario_errors_total"] == 0
    assert metrics['canario_refused_total{reason="wrong_values"}'] == 1
    assert metrics["canario_request_duration_seconds_count"] == 3
    # 0.32 and 0.99 by hand: bins 9 (up to 0.4) and 17 (up to 0.99) or 18
    counted = {name: value for name, value in metrics.items() if name.startswith("canario_scores_total") and value}
    # The rows of a request count one together.
    assert sum(counted.values()) == 3
    assert metrics["canario_rows_total"] == 4
    assert len(counted) == len({round(score, 1) for score in scores}) == 2


@pytest.mark.parametrize(("candidate", "requests", "copies"), [(False, 1, 0), (True, 0, 1)])
def test_only_a_candidate_leaves_copies_out_of_its_counts(
    serve: StartServer, candidate: bool, requests: int, copies: int
) -> None:
    """Only a candidate takes a marked request for a copy, which does not count."""
    server = serve(shadow_candidate=candidate)
    assert server.predict(GOOD, x_canario_shadow="1", x_request_id=ID).status == 200
    found = server.metrics()
    assert found["canario_requests_total"] == requests
    assert sum(value for name, value in found.items() if name.startswith("canario_scores_total")) == requests
    assert found["canario_shadow_answered_total"] == copies
    # Neither does its label.
    assert server.post("/feedback", {"request_id": ID, "label": "Yes"}).json()["matched"] is not candidate


def test_a_candidate_counts_what_is_no_copy(serve: StartServer) -> None:
    server = serve(shadow_candidate=True)
    server.predict(GOOD)
    assert server.metrics()["canario_requests_total"] == 1
    assert server.metrics()["canario_shadow_answered_total"] == 0


@pytest.mark.parametrize("candidate", [False, True])
def test_a_copy_that_fails_is_an_error_to_all_but_a_candidate(serve: StartServer, candidate: bool) -> None:
    server = serve(shadow_candidate=candidate, fault_error_ratio=1)
    assert server.predict(GOOD, x_canario_shadow="1").status == 500
    assert server.metrics()["canario_errors_total"] == (not candidate)


def test_before_callers_a_version_takes_copies_at_their_path(serve: StartServer) -> None:
    """A version takes copies at their own path, which count as none of its requests; the header means nothing to it."""
    server = serve(shadow_first=True)
    answer = server.post("/shadow", GOOD, x_request_id=ID)
    assert (answer.status, answer.headers["x-request-id"]) == (200, ID)
    assert answer.json() == serve().predict(GOOD).json()
    found = server.metrics()
    assert (found["canario_shadow_answered_total"], found["canario_requests_total"]) == (1, 0)
    assert server.post("/shadow", {"tenure": "many"}).status == 422
    assert server.predict(GOOD, x_canario_shadow="1").status == 200
    assert server.metrics()["canario_requests_total"] == 1


def test_a_version_that_answers_callers_declines_copies(serve: StartServer) -> None:
    """A version that answers callers declines copies, until it has answered none for a minute."""
    server = serve(shadow_first=True)
    assert server.predict(GOOD).status == 200
    declined = server.post("/shadow", GOOD)
    assert (declined.status, "this version takes no copies" in declined.json()["error"]) == (409, True)
    found = server.metrics()
    assert (found["canario_shadow_answered_total"], found["canario_requests_total"]) == (0, 1)
    assert sum(value for name, value in found.items() if name.startswith("canario_refused_total")) == 0
    server.app._called_at -= 61
    assert server.post("/shadow", GOOD).status == 200


@pytest.mark.parametrize("candidate", [False, True])
def test_elsewhere_there_is_no_path_for_copies(serve: StartServer, candidate: bool) -> None:
    assert serve(shadow_candidate=candidate).post("/shadow", GOOD).status == 404


def test_every_metric_is_there_from_the_start_and_zero(server: Caller) -> None:
    metrics = server.metrics()
    counters = [name for name in metrics if "_total" in name]
    assert len(counters) == 6 + 7 + 3 + 20 + 40 + 4
    arrived = [name for name in metrics if name.startswith("canario_arrived{")]
    assert len(arrived) == 32
    assert not any(metrics[name] for name in [*counters, *arrived])
    assert len([name for name in metrics if name.startswith("canario_holdout_shift{")]) == 20
    assert len([name for name in metrics if name.startswith("canario_holdout_shift_error{")]) == 20


def test_the_model_is_named_in_the_metrics(server: Caller, package: Package) -> None:
    text = server.get("/metrics").body.decode()
    labels = f'champion="",package="{package.digest}",service="small",version="1"'
    assert f"canario_model_info{{{labels}}} 1.0" in text


def test_wrong_input_is_refused_as_fast_as_good_is_answered(server: Caller) -> None:
    """Wrong input is refused about as fast as good input is answered."""
    good = json.dumps([GOOD] * 100).encode()
    wrong = json.dumps([{**GOOD, "tenure": -1, "contract": "x" * 100, "what": 1}] * 100).encode()
    # The best of several, and in processor time, because other programs run here as well; 3 and 2 ms are margins.
    assert _best(lambda: server.predict(body=wrong)) < 3 * _best(lambda: server.predict(body=good)) + 0.002


def _best(action: Callable[[], object]) -> float:
    def seconds() -> float:
        start = time.process_time()
        action()
        return time.process_time() - start

    return min(seconds() for _ in range(7))
