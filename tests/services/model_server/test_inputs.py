from __future__ import annotations

from pathlib import Path

import pytest

from components.package.model_package import Package
from components.package.population import CountedFeature, NumberBins
from services import telemetry
from services.model_server.inputs import INPUT_BYTES, LiveInputs, LiveInputsPage
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


def test_a_package_made_before_tells_nothing(serve: StartServer) -> None:
    caller = serve()
    caller.predict()
    assert not [name for name in caller.metrics() if "input" in name or "expected" in name]


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


def test_most_of_very_many_requests_are_not_counted(known: Package) -> None:
    memory = memoryview(bytearray(INPUT_BYTES))
    inputs = LiveInputs(memory, known)
    for _ in range(9024):
        inputs.count([tuple(GOOD.values())])
    assert 1024 + 800 < sum(memory.cast("d")) < 1024 + 1200
