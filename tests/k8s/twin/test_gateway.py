"""The gateway keeps its word: when `set_weights` returns, traffic goes where it says, and none is lost."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import psutil
import pytest

from k8s.twin import gateway as twin_gateway
from k8s.twin.errors import GatewayError
from k8s.twin.gateway import Gateway, routes
from k8s.twin.ports import Ports
from k8s.twin.processes import Process
from services.judge.evidence.exposition import parse_page
from services.judge.evidence.gateway_page import OWN_AT, PAGE_COLUMNS, ROUTE_FAILED_AT, page_row
from services.judge.evidence.series import Rows
from services.judge.evidence.sources import fetch
from tests.k8s.twin.tiny import Traffic, ask, tiny_program, traffic, wait_for
from tests.patience import patient

NEVER = threading.Event()


@dataclass(frozen=True)
class Split:
    gateway: Gateway
    one: str
    two: str
    processes: dict[str, Process]

    def asked(self, times: int) -> Counter[str]:
        connection = http.client.HTTPConnection(self.gateway.url.removeprefix("http://"), timeout=patient(10))
        try:
            return Counter(ask(connection)[0] for _ in range(times))
        finally:
            connection.close()

    def told(self) -> Rows:
        """What the gateway's page tells of both versions."""
        page = parse_page(fetch(f"http://{self.gateway.metrics_address}/metrics", patient(5)))
        row = page_row(page, "tiny")
        return np.zeros(PAGE_COLUMNS) if row is None else row


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    home = tmp_path_factory.mktemp("gateway")
    with Ports() as ports:
        slots = {"1": ports.take(), "2": ports.take()}
        processes = {version: Process(tiny_program(home, port, version)) for version, port in slots.items()}
        gateway = Gateway(ports.take(), home, "tiny", ports.take())
        for process in processes.values():
            process.start()
        gateway.start()
        for process in processes.values():
            process.wait_ready()
        one, two = (f"http://127.0.0.1:{port}" for port in slots.values())
        yield Split(gateway, one, two, processes)
        gateway.stop()
        for process in processes.values():
            process.stop()


@pytest.mark.parametrize("weight", [10, 50, 99])
def test_traffic_is_split_by_weight(split: Split, weight: int) -> None:
    split.gateway.set_weights({split.one: 100 - weight, split.two: weight})
    assert split.asked(200) == Counter({"1": 2 * (100 - weight), "2": 2 * weight})


def test_new_weights_are_used_as_soon_as_they_are_set(split: Split) -> None:
    for _ in range(10):
        split.gateway.set_weights({split.one: 100, split.two: 0})
        assert split.asked(3) == Counter({"1": 3})
        split.gateway.set_weights({split.one: 0, split.two: 100})
        assert split.asked(3) == Counter({"2": 3})


def test_no_request_is_lost_while_weights_change(split: Split) -> None:
    split.gateway.set_weights({split.one: 100})
    with traffic(split.gateway.url) as seen:
        for turn, weight in enumerate((0, 10, 50, 90, 100, 30, 0), start=1):
            split.gateway.set_weights({split.one: 100 - weight, split.two: weight})
            wait_for(partial(_more_than, seen, 40 * turn))
    assert seen.failed == {}
    assert {version for version, _ in seen.counts} == {"1", "2"}


def _more_than(seen: Traffic, count: int) -> bool:
    return sum(seen.counts.values()) > count


def test_a_version_is_drained_once_it_has_no_weight(split: Split) -> None:
    split.gateway.set_weights({split.one: 50, split.two: 50})
    with traffic(split.gateway.url) as seen:
        wait_for(lambda: seen.counts["2", 200] > 20)
        assert not split.gateway.wait_drained(split.two, NEVER, timeout_seconds=0.3)
        split.gateway.set_weights({split.one: 100})
        assert split.gateway.wait_drained(split.two, NEVER)
        split.processes["2"].stop()
        answered = seen.counts["1", 200]
        wait_for(lambda: seen.counts["1", 200] > answered + 20)
    assert seen.failed == {}
    split.processes["2"] = Process(split.processes["2"].program)
    split.processes["2"].start()
    split.processes["2"].wait_ready()


def test_waiting_for_a_drain_ends_when_all_is_stopped(split: Split) -> None:
    stop = threading.Event()
    stop.set()
    split.gateway.set_weights({split.one: 100})
    split.asked(1)
    assert not split.gateway.wait_drained(split.one, stop)


def test_a_gateway_that_dies_comes_back_with_its_weights(split: Split) -> None:
    split.gateway.set_weights({split.one: 50, split.two: 50})
    (traefik,) = psutil.Process(split.gateway.pid).children()
    traefik.kill()
    wait_for(lambda: not traefik.is_running())
    wait_for(lambda: split.asked(1)["none"] == 0)
    split.gateway.set_weights({split.one: 0, split.two: 100})
    assert split.asked(5) == Counter({"2": 5})


def test_a_gateway_that_does_not_take_weights_says_so(tmp_path: Path) -> None:
    with Ports() as ports:
        gateway = Gateway(ports.take(), tmp_path, "tiny", ports.take())
        with pytest.raises(GatewayError, match="did not take weights"):
            gateway.set_weights({"http://127.0.0.1:1": 100}, timeout_seconds=0.1)


def test_it_tells_which_requests_it_answered_itself(split: Split) -> None:
    """The champion answers; the canary's address refuses. The page is the real Traefik's, as in a cluster."""
    with Ports() as ports:
        split.gateway.set_weights({split.one: 50, f"http://127.0.0.1:{ports.take()}": 50})
        before = split.told()
        split.asked(20)
        more = split.told() - before
    assert more[list(OWN_AT)].tolist() == [0, 10]
    assert more[ROUTE_FAILED_AT] == 10


def test_what_it_could_pass_on_to_nobody_is_counted_by_route(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary has no endpoint, as where none of its pods is ready: its turn comes all the same, and is a 503."""
    split.gateway.set_weights({split.one: 50, split.two: 50})
    split.asked(20)
    before, made = split.told(), twin_gateway.routes

    def without_endpoint(*given: Any) -> dict[str, Any]:
        found = made(*given)
        found["services"]["twin-tiny-svc-tiny-canary-1"]["loadBalancer"]["servers"] = []
        return found

    monkeypatch.setattr(twin_gateway, "routes", without_endpoint)
    split.gateway.set_weights({split.one: 70, split.two: 30})
    answers = split.asked(20)
    more = split.told() - before
    assert answers["1"] == 14
    assert more.tolist() == [14, 0, 0, 0, 0, 0, 6]


def test_without_a_version_there_is_only_the_probe() -> None:
    assert routes({}, 4, "tiny") == {
        "routers": {"generation": ANY},
        "middlewares": {"generation": {"headers": {"customResponseHeaders": {"x-gateway-generation": "4"}}}},
    }
