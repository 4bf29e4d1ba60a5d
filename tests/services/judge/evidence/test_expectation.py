from __future__ import annotations

import pytest

from services import telemetry
from services.judge.evidence.counts import BINS, Counts, LiveExpectation
from services.judge.evidence.expectation import expectation_of
from services.judge.evidence.exposition import Reading, parse_page, read_replica
from services.judge.evidence.series import Replica
from services.model_server.inputs import INPUT_BYTES, LiveInputs, LiveInputsPage
from tests.population_package import population, written
from tests.services.judge.pages import replica_page
from tests.small_package import GOOD


def told(inputs: float, shift: float = 0.1, unlike: float = 0.0, sampled: float = 0.02) -> LiveExpectation:
    return LiveExpectation(
        inputs, unlike, (shift,) * BINS, (0.01,) * BINS, (sampled,) * BINS, (("plan", 10 * shift), ("age", 0.0))
    )


def replica(*known: tuple[float, LiveExpectation | None]) -> Replica:
    one = Replica("canary")
    for at, expectation in known:
        one.add(at, Reading(Counts(), expectation=expectation))
    return one


def test_the_servers_page_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    package = written(tmp_path_factory.mktemp("packages") / "p", population())
    memory = memoryview(bytearray(INPUT_BYTES))
    for contract in ("One year", "Month-to-month", "One year", "Two year"):
        LiveInputs(memory, package).count([tuple({**GOOD, "contract": contract}.values())])
    page = replica_page(4) + LiveInputsPage([memory], package, "churn", "1").text()
    reading = read_replica(parse_page(page), "churn", 0.0)
    assert reading is not None
    found = reading.expectation
    assert found is not None
    assert (found.inputs, found.unlike, found.distance) == (3, 1, (("contract", 0.0),))
    assert found.shift[10] == pytest.approx(0.2 - 0.1 / 3)
    assert found.sampled[10] == pytest.approx(0.1 / 3**0.5)


@pytest.mark.parametrize("name", [telemetry.INPUTS_UNLIKE, f'{telemetry.EXPECTED_SHIFT_ERROR}{{service="churn",ver'])
def test_a_page_that_lacks_a_part_tells_nothing(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    package = written(tmp_path_factory.mktemp("packages") / "p", population())
    memory = memoryview(bytearray(INPUT_BYTES))
    LiveInputs(memory, package).count([tuple(GOOD.values())])
    lines = LiveInputsPage([memory], package, "churn", "1").text().splitlines()
    cut = [line for place, line in enumerate(lines) if not line.startswith(name) or place % 5]
    whole, part = (
        read_replica(parse_page(replica_page(4) + "\n".join(page) + "\n"), "churn", 0.0)
        for page in (lines, [line for line in cut if not (name in line and line.startswith(telemetry.INPUTS_UNLIKE))])
    )
    assert whole is not None
    assert part is not None
    assert whole.expectation is not None
    assert part.expectation is None


def test_too_few_inputs_tell_nothing() -> None:
    assert expectation_of([]) is None
    assert expectation_of([replica((1, None), (2, told(29)))]) is None
    assert expectation_of([replica((1, None), (2, told(20, unlike=10)))]) is not None


def test_it_is_renewed_when_the_inputs_grew_by_half() -> None:
    one = replica(*((at, told(30 + at, shift=at / 100)) for at in range(60)))
    expected = [expectation_of([replica(*zip(one.times[:end], (r.expectation for r in one.readings), strict=False))])
                for end in (1, 15, 16, 30, 60)]  # fmt: skip
    assert [known.inputs if known else None for known in expected] == [30, 30, 45, 45, 68]


def test_replicas_are_weighed_by_their_inputs() -> None:
    found = expectation_of([replica((1, told(20, 0.1, sampled=0.04))), replica((1, told(60, 0.3, 10, sampled=0.02)))])
    assert found is not None
    assert (found.inputs, found.unlike) == (80, 10)
    assert found.shift[3] == pytest.approx(0.25)
    assert found.unexplained[3] == pytest.approx(0.01)
    assert found.sampled[3] == pytest.approx((0.01**2 + 0.015**2) ** 0.5)
    assert dict(found.distance) == pytest.approx({"plan": 2.5, "age": 0})


def test_inputs_unlike_the_holdout_alone_are_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    """They let expect nothing, which is not the same as no inputs."""
    package = written(tmp_path_factory.mktemp("packages") / "p", population())
    memory = memoryview(bytearray(INPUT_BYTES))
    for _ in range(40):
        LiveInputs(memory, package).count([tuple({**GOOD, "contract": "Two year"}.values())])
    page = replica_page(4) + LiveInputsPage([memory], package, "churn", "1").text()
    reading = read_replica(parse_page(page), "churn", 0.0)
    assert reading is not None
    assert reading.expectation == LiveExpectation(0, 40, (), (), (), ())
    one = Replica("canary")
    one.add(1.0, reading)
    assert expectation_of([one]) == LiveExpectation(0, 40, (), (), (), ())
    both = expectation_of([one, replica((1, told(60, 0.3)))])
    assert both is not None
    assert (both.inputs, both.unlike) == (60, 40)
    assert both.shift[3] == pytest.approx(0.3)


def test_it_is_renewed_so_often_and_no_more() -> None:
    many = 30 * 1.5**60
    found = expectation_of([replica((1, told(40)), (2, told(1e9, 0.2)), (3, told(many, 0.3)))])
    assert found is not None
    assert found.shift[0] == 0.2
