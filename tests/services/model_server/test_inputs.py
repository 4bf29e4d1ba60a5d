from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from components.package.model_package import Package
from components.package.population import CountedFeature, NumberBins
from components.spec.contract import CategoryFeature, DateFeature, NumberFeature
from services import telemetry
from services.model_server.inputs import INPUT_BYTES, LiveInputs, LiveInputsPage
from services.model_server.waves import point_of
from tests.population_package import CHAMPION, at, population, written
from tests.services.model_server.conftest import Caller, StartServer
from tests.small_package import GOOD


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return written(tmp_path_factory.mktemp("packages") / "p", population())


@pytest.fixture
def server(serve: StartServer, known: Package) -> Caller:
    return serve(known.path)


def counted(server: Caller) -> tuple[float, float]:
    metrics = server.metrics()
    return metrics[telemetry.INPUTS], metrics[telemetry.INPUTS_UNLIKE]


def test_answers_are_counted_by_bin(server: Caller) -> None:
    assert counted(server) == (0, 0)
    for contract in ("One year", "One year", "One year", "Month-to-month"):
        server.predict({**GOOD, "contract": contract})
    server.predict({**GOOD, "contract": "Two year"})
    assert counted(server) == (4, 1)
    assert server.metrics()[f'{telemetry.EXPECTED_SHIFT}{{bin="10"}}'] == pytest.approx(0.2 - 0.05)
    assert server.metrics()[f'{telemetry.EXPECTED_SHIFT}{{bin="9"}}'] == 0


def test_a_batch_counts_as_one_input(server: Caller) -> None:
    server.predict([{**GOOD, "contract": "One year"}] * 50)
    assert counted(server) == (1, 0)


def test_what_is_refused_is_not_counted(server: Caller) -> None:
    assert server.predict({**GOOD, "contract": "Ten years"}).status == 422
    assert counted(server) == (0, 0)


def test_a_package_made_before_tells_its_inputs_alone(serve: StartServer) -> None:
    """They are held against those of a canary whose package has bins."""
    caller = serve()
    caller.predict(GOOD)
    metrics = caller.metrics()
    assert metrics[telemetry.INPUTS_COUNTED] == 1
    assert not [name for name in metrics if name.startswith((telemetry.INPUTS, telemetry.EXPECTED_SHIFT))]


def test_the_unit_is_not_the_new_versions(tmp_path: Path) -> None:
    """The contract's factor is that of the version that may be wrong, and has no say here."""
    bins = NumberBins(kind="number", factor=1.0, low=0, high=15000, edges=(5000.0,), missing=False)
    fee = CountedFeature(bins=bins, shares=(0.5, 0.5), effects=(at(10, 0.1), at(10, -0.1)))
    package = written(tmp_path / "p", population(CHAMPION, **{"fee in cents": fee}))
    assert package.contract.encoding.features["fee in cents"].factor == 0.01  # type: ignore[union-attr]
    memory = memoryview(bytearray(INPUT_BYTES))
    LiveInputs(memory, package).count([tuple({**GOOD, "fee in cents": 7000.0}.values())])
    assert f'{telemetry.EXPECTED_SHIFT}{{service="s",version="1",bin="10"}} 0.1\n' in (
        LiveInputsPage([memory], package, "s", "1").text()
    )


def test_workers_are_added_up_and_names_escaped(known: Package) -> None:
    memories = [memoryview(bytearray(INPUT_BYTES)) for _ in range(2)]
    for memory in memories:
        LiveInputs(memory, known).count([tuple(GOOD.values())])
    assert (
        f'{telemetry.INPUTS}{{service="a\\"b",version="1"}} 2.0\n' in LiveInputsPage(memories, known, 'a"b', "1").text()
    )


def thinned(known: Package) -> tuple[LiveInputs, memoryview]:
    memory = memoryview(bytearray(INPUT_BYTES))
    return LiveInputs(memory, known), memory


def number(memory: memoryview, known: Package, name: str) -> float:
    lines = LiveInputsPage([memory], known, "s", "1").text().splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name}{{"))


def test_most_of_very_many_requests_are_not_counted(known: Package) -> None:
    """Those that are stand for the others, so they add up to all requests."""
    inputs, memory = thinned(known)
    for _ in range(20_000):
        inputs.count([tuple(GOOD.values())])
    assert number(memory, known, telemetry.INPUTS) == pytest.approx(20_000, rel=0.06)
    worth = number(memory, known, telemetry.INPUTS_COUNTED) ** 2 / number(memory, known, telemetry.INPUTS_SQUARES)
    assert 1700 < worth < 2400


def test_first_requests_weigh_no_more_than_later_ones(known: Package) -> None:
    """The first thousand are all counted; of the next nine thousand, other callers', few are."""
    inputs, memory = thinned(known)
    for contract, requests in (("One year", 1024), ("Month-to-month", 9216)):
        for _ in range(requests):
            inputs.count([tuple({**GOOD, "contract": contract}.values())])
    shift = LiveInputsPage([memory], known, "s", "1").text()
    line = next(one for one in shift.splitlines() if one.startswith(telemetry.EXPECTED_SHIFT) and 'bin="10"' in one)
    # A tenth is "One year": 0.2 and 0.1 x (0.9 - 0.5), less 0.1 x (0.1 - 0.5).
    assert float(line.rsplit(" ", 1)[1]) == pytest.approx(0.2 + 0.08, abs=0.006)


def test_a_point_tells_values_apart_and_not_their_order() -> None:
    category = point_of(CategoryFeature(type="category", values=("a", "b")))
    other = point_of(CategoryFeature(type="category", values=("b", "a", "c")))
    assert category("a") == other("a") != category("b")
    amount = point_of(NumberFeature(type="number", min=0, max=9000))
    assert abs(amount(7000.0) - amount(70.0)) > 0.5
    day = point_of(DateFeature(type="date", min=date(2020, 1, 1), max=date(2030, 1, 1)))
    assert abs(day("2026-03-04") - day("2026-04-03")) > 0.2
    for point in (category, amount, day):
        assert abs(point(None)) == pytest.approx(1)
