"""Whether both versions read the same inputs, from real counters of servers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from components.package.model_package import Package
from services.judge.evidence.exposition import parse_page, read_replica
from services.judge.evidence.same_inputs import differing, read_inputs
from services.judge.evidence.series import Replica, Role, Series
from services.model_server.inputs import INPUT_BYTES, LiveInputs, LiveInputsPage
from tests.population_package import written
from tests.services.judge.evidence.told import weights
from tests.services.judge.pages import replica_page
from tests.small_package import GOOD

Request = dict[str, object]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """It has no population, as a first champion's."""
    return written(tmp_path_factory.mktemp("packages") / "p", None, None)


class Server:
    """A replica that counts inputs, and its samples."""

    def __init__(self, package: Package, role: Role) -> None:
        self.replica, self._package, self._role = Replica(role), package, role
        self.starts_anew()

    def starts_anew(self) -> None:
        self._memory, self._asked = memoryview(bytearray(INPUT_BYTES)), 0
        self._inputs = LiveInputs(self._memory, self._package)

    def asked(self, requests: Sequence[Request], at: float) -> None:
        """Answers some requests, and is read then."""
        for request in requests:
            self._inputs.count([tuple(request.values())])
        self._asked += len(requests)
        text = LiveInputsPage([self._memory], self._package, "churn", "1").text()
        page = parse_page(replica_page(self._asked) + text)
        reading = read_replica(page, "churn", at)
        assert reading is not None
        self.replica.add(at, reading)


def requests(number: int, seed: int, later: float = 0.0, factor: float = 1.0) -> list[Request]:
    rng = np.random.default_rng(seed)
    fees = factor * rng.lognormal(8 + later, 0.5, number)
    kinds = rng.choice(["Month-to-month", "One year", "Two year"], number, p=[0.6, 0.3, 0.1])
    return [{**GOOD, "fee in cents": float(fee), "contract": kind} for fee, kind in zip(fees, kinds, strict=True)]


def compared(champion: Server, canary: Server, changes: dict[float, float] | None = None) -> tuple[str, ...] | None:
    series = weights(changes or {0: 0, 100: 10}, 400)
    series.replicas = {"a": champion.replica, "b": canary.replica}
    return differing(read_inputs(series, 100, [champion.replica], [canary.replica]))


def asked(package: Package, canarys: list[Request], champions: list[Request]) -> tuple[Server, Server]:
    champion, canary = Server(package, "champion"), Server(package, "canary")
    for server, given in ((champion, champions), (canary, canarys)):
        server.asked([], 100)
        server.asked(given, 300)
    return champion, canary


@pytest.mark.parametrize("seed", range(4))
def test_the_same_traffic_is_the_same_inputs(package: Package, seed: int) -> None:
    assert compared(*asked(package, requests(500, seed), requests(4500, seed + 100))) == ()


def test_a_value_that_the_canary_reads_otherwise_is_named(package: Package) -> None:
    found = compared(*asked(package, requests(300, 1, factor=1.6), requests(2700, 2)))
    assert found == ("fee in cents",)


def test_a_value_that_gets_lost_is_named(package: Package) -> None:
    broken = [{**one, "contract": "One year"} for one in requests(300, 1)]
    assert compared(*asked(package, broken, requests(2700, 2))) == ("contract",)


def test_what_the_champion_read_before_does_not_count(package: Package) -> None:
    """Its callers were others last week."""
    champion, canary = Server(package, "champion"), Server(package, "canary")
    champion.asked(requests(3000, 1, later=2.0), 90)
    champion.asked(requests(2700, 2), 300)
    canary.asked([], 100)
    canary.asked(requests(300, 3), 300)
    champion.replica.times[0] = 100
    assert compared(champion, canary) == ()


def test_callers_who_change_with_the_weight_are_the_same(package: Package) -> None:
    """The canary has most of its inputs from the second half, in which its share is larger (Simpson)."""
    champion, canary = Server(package, "champion"), Server(package, "canary")
    for server, parts in ((champion, (2700, 1500)), (canary, (300, 1500))):
        server.asked([], 100)
        server.asked(requests(parts[0], 5), 200)
        server.asked([], 205)
        server.asked(requests(parts[1], 6, later=1.0), 300)
    assert compared(champion, canary, {0: 0, 100: 10, 201: 50}) == ()
    assert compared(champion, canary) == ("fee in cents",)


def test_a_server_that_started_anew_has_forgotten(package: Package) -> None:
    champion, canary = asked(package, requests(600, 1), requests(2700, 2))
    canary.starts_anew()
    canary.asked(requests(400, 3), 320)
    champion.asked([], 320)
    assert compared(champion, canary) == ()


def test_a_server_made_before_leaves_it_unknown(package: Package) -> None:
    champion, canary = asked(package, requests(300, 1), requests(2700, 2))
    old = Replica("champion")
    for at, page in ((100.0, replica_page(0)), (300.0, replica_page(2700))):
        reading = read_replica(parse_page(page), "churn", at)
        assert reading is not None
        old.add(at, reading)
    champion.replica = old
    assert compared(champion, canary) is None
    assert differing(read_inputs(Series(), 0, [], [canary.replica])) is None


def test_no_inputs_yet_leave_it_unknown(package: Package) -> None:
    assert compared(*asked(package, [], requests(10, 2))) is None


def test_thinned_inputs_are_held_against_fewer(package: Path) -> None:
    """Of a champion's later requests one in about eleven is counted and stands for eleven: no excess of certainty."""
    champion, canary = Server(package, "champion"), Server(package, "canary")  # type: ignore[arg-type]
    champion.asked(requests(9000, 1), 100)
    canary.asked([], 100)
    champion.asked(requests(4000, 2), 300)
    canary.asked(requests(400, 3), 300)
    newest, older = (champion.replica.readings[place].inputs for place in (-1, 0))
    assert newest is not None
    assert older is not None
    number, squares = newest.number - older.number, newest.squares - older.squares
    assert number == pytest.approx(4000, rel=0.2)
    assert number**2 / squares == pytest.approx(375, rel=0.2)
    assert compared(champion, canary) == ()
