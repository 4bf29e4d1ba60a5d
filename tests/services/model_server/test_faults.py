from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from services.model_server.faults import FakedError, Faults
from services.model_server.settings import Settings
from tests.services.model_server.conftest import StartServer
from tests.small_package import GOOD, small_contract, write_small_package


def test_no_fault_is_planned_unless_a_setting_says_so(serve: StartServer) -> None:
    assert serve().app._faults is None


@pytest.mark.parametrize(("ratio", "low", "high"), [("1", 200, 200), ("0.2", 15, 70), ("0", 0, 0)])
def test_errors_are_5xx_and_counted(serve: StartServer, ratio: str, low: int, high: int) -> None:
    server = serve(fault_error_ratio=ratio)
    failed = sum(server.predict(GOOD).status == 500 for _ in range(200))
    # 40 expected at 0.2; 15 and 70 are more than four standard deviations away.
    assert low <= failed <= high
    metrics = server.metrics()
    assert (metrics["canario_requests_total"], metrics["canario_errors_total"]) == (200, failed)


def test_errors_under_load_begin_with_the_load() -> None:
    """Ten requests a second, then thirty: errors above twenty are those of the second time, and end with it."""
    settings = Settings.model_validate({"package": Path(), "fault_error_ratio": 1, "fault_error_above": 20})
    now = 0.0
    faults = Faults(settings, small_contract(), random.Random(1), clock=lambda: now)

    def failed(seconds: int, rate: int) -> list[bool]:
        nonlocal now
        found = []
        for _ in range(seconds * rate):
            now += 1 / rate
            try:
                faults.fail()
            except FakedError:
                found.append(True)
            else:
                found.append(False)
        return found

    assert not any(failed(20, 10))
    rising = failed(20, 30)
    assert not rising[0]
    assert all(rising[6 * 30 :])
    assert not any(failed(20, 10)[6 * 10 :])


def test_slow_answers_take_twice_the_objective(serve: StartServer, tmp_path: Path) -> None:
    package = write_small_package(tmp_path / "package", small_contract(latency_p99_ms=20))
    server = serve(package.path, fault_slow_ratio="1")
    start = time.perf_counter()
    assert server.predict(GOOD).status == 200
    assert time.perf_counter() - start >= 0.04
    assert server.metrics()["canario_slow_total"] == 1


def test_stale_answers_are_scores_of_other_rows(serve: StartServer) -> None:
    rows = [{**GOOD, "tenure": tenure} for tenure in range(121)]
    honest = [serve().predict(row).json()["probability"] for row in rows]
    server = serve(fault_stale_ratio="1")
    stale = [server.predict(row).json()["probability"] for row in rows]
    assert set(stale) <= set(honest)
    agree = sum(given == right for given, right in zip(stale, honest, strict=True))
    assert agree < 20
    assert server.get("/readyz").status == 200


def test_swapped_words_turn_the_probability_round(serve: StartServer) -> None:
    honest = serve().predict(GOOD).json()
    swapped = serve(fault_swapped_ratio="1").predict(GOOD).json()
    assert swapped["probability"] == pytest.approx(1 - honest["probability"])
    assert swapped["label"] != honest["label"]
