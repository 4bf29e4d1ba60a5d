"""Requests by the time of their arrival, and by several latencies."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from components.package.model_package import Package
from services.model_server.counters import Counters, Exposition, layout_of
from services.telemetry import ARRIVED_SECONDS, ARRIVED_SLOTS, SLOWER_TIMES
from tests.services.model_server.conftest import Caller, StartServer
from tests.small_package import GOOD

BODY = json.dumps(GOOD).encode()


@dataclass
class Times:
    """Both clocks of a server, which tests move."""

    now: float = 1.7e9

    def clock(self) -> float:
        return self.now - 1.6e9

    def wall(self) -> float:
        return self.now

    def slot(self) -> str:
        return str(int(self.now // ARRIVED_SECONDS) % ARRIVED_SLOTS)


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def timed(serve: StartServer, times: Times) -> Caller:
    return serve(clock=times.clock, wall=times.wall)


def arrived(server: Caller) -> dict[str, float]:
    """The slots that are not 0."""
    found = {name: value for name, value in server.metrics().items() if name.startswith("canario_arrived{")}
    assert len(found) == ARRIVED_SLOTS
    return {name.partition('slot="')[2].rstrip('"}'): value for name, value in found.items() if value}


def test_requests_are_told_by_the_slot_of_their_arrival(timed: Caller, times: Times) -> None:
    early = times.slot()
    timed.predict(GOOD)
    timed.predict(GOOD)
    times.now += 3 * ARRIVED_SECONDS
    timed.predict(GOOD)
    assert arrived(timed) == {early: 2, times.slot(): 1}


def test_a_slow_answer_counts_where_its_request_arrived(
    timed: Caller, times: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, began = timed.app._model.scores, times.slot()

    def scores(encoded: object) -> list[float]:
        times.now += 5 * ARRIVED_SECONDS
        return compute(encoded)  # type: ignore[arg-type]

    monkeypatch.setattr(timed.app._model, "scores", scores)
    timed.predict(GOOD)
    assert arrived(timed) == {began: 1} != {times.slot(): 1}


def test_a_slot_is_empty_when_time_comes_round_to_it(timed: Caller, times: Times) -> None:
    timed.predict(GOOD)
    times.now += (ARRIVED_SLOTS - 1) * ARRIVED_SECONDS
    assert sum(arrived(timed).values()) == 1
    times.now += ARRIVED_SECONDS
    assert arrived(timed) == {}
    timed.predict(GOOD)
    assert arrived(timed) == {times.slot(): 1}


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_a_request_counts_whatever_its_status(
    serve: StartServer, times: Times, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    server = serve(clock=times.clock, wall=times.wall, fault_error_ratio=int(status == 500))
    monkeypatch.setattr(server.app, "_max_body_bytes", 20 if status == 413 else 10_000)
    wrong = {400: b"{", 422: json.dumps({**GOOD, "tenure": -1}).encode()}
    assert server.predict(body=wrong.get(status, BODY)).status == status
    assert arrived(server) == {times.slot(): 1}


def test_what_is_no_request_of_a_caller_does_not_arrive(serve: StartServer, times: Times) -> None:
    """A caller that went away, a copy for the shadow, a probe, and what a peer forwards do not count."""
    server = serve(clock=times.clock, wall=times.wall, shadow_candidate=True)
    assert server.call("POST", "/predict", (BODY[:9],), then="hang up") is None
    assert server.predict(GOOD, x_canario_shadow="1").status == 200
    assert server.predict({}, x_canario_shadow="1").status == 422
    server.call("POST", "/feedback", (b"[]",), headers={"x-canario-forwarded": "1"})
    server.get("/healthz")
    assert arrived(server) == {}


def test_requests_of_every_route_arrive(serve: StartServer, times: Times) -> None:
    """A gateway that takes turns divides all requests, and not those of each route."""
    server = serve(clock=times.clock, wall=times.wall)
    assert server.call("GET", "/predict") is not None
    server.post("/feedback", {"request_id": "a", "label": "Yes"})
    server.get("/schema")
    assert arrived(server) == {times.slot(): 3}


def test_only_a_candidate_leaves_copies_out_of_the_arrivals(timed: Caller, times: Times) -> None:
    assert timed.predict(GOOD, x_canario_shadow="1").status == 200
    assert arrived(timed) == {times.slot(): 1}


def test_requests_are_counted_by_several_latencies(package: Package) -> None:
    layout = layout_of(package.contract)
    memories = [memoryview(bytearray(layout.bytes)) for _ in range(2)]
    counters = [Counters(memory, 0.04, layout) for memory in memories]
    for seconds in (0.005, 0.01, 0.015, 0.03, 0.05, 0.08, 0.1, 0.5):
        counters[int(seconds * 1000) % 2].request(seconds, error=False)
    page = Exposition(memories, package, "small", "1").text().decode().splitlines()
    values = [float(line.rpartition(" ")[2]) for line in page if line.startswith("canario_slower_total{")]
    expected = [
        sum(s > float(t) * 0.04 for s in (0.005, 0.01, 0.015, 0.03, 0.05, 0.08, 0.1, 0.5)) for t in SLOWER_TIMES
    ]
    assert values == expected == [6, 5, 2, 1]
