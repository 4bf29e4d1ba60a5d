"""A served model of classes and its judge: swapped classes are found from the servers' pages, a good canary stays."""

from __future__ import annotations

import pytest

from components.package.model_package import Package
from components.spec.contract import Rollout
from services.judge.evidence.exposition import parse_page, read_replica
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.series import Replica, Role, Series
from services.judge.verdict import Verdict, judge
from tests.services.model_server.conftest import Caller, StartServer
from tests.small_answers import ROWS, class_contract, write_class_package

#: Half of the traffic is the canary's.
WEIGHT = 50.0
LOOKS, REQUESTS_A_LOOK = 4, 600


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return write_class_package(tmp_path_factory.mktemp("packages") / "classes")


def judged(champion: Caller, canary: Caller) -> Verdict:
    """The verdict after both have answered the same requests; the two are of one package."""
    series, replicas = Series(), {"champion": Replica("champion"), "canary": Replica("canary")}
    for at in range(-10, 10 * LOOKS + 11, 5):
        series.add_weight(float(at), 0.0 if at < 0 else WEIGHT)
    sides: dict[Role, Caller] = {"champion": champion, "canary": canary}
    for look in range(LOOKS + 1):
        for role, caller in sides.items():
            for number in range(REQUESTS_A_LOOK if look else 0):
                caller.predict(ROWS[number % len(ROWS)])
            reading = read_replica(parse_page(caller.get("/metrics").body.decode()), class_contract().name, 0.0)
            assert reading is not None
            replicas[role].add(10.0 * look, reading)
    series.replicas.update(replicas)
    rollout = Rollout.model_validate({"harm": {"label_loss": None, "lost_ratio": None, "slow_ratio": None}})
    return judge(evidence_at(series, 10.0 * LOOKS, 60.0), rollout)


def test_swapped_classes_are_failed_by_the_class_that_moved(serve: StartServer, classes: Package) -> None:
    found = judged(serve(classes.path), serve(classes.path, fault_swapped_ratio=1))
    scores = next(signal for signal in found.findings if signal.name == "score_shift")
    assert (found.verdict, scores.state) == ("fail", "harm")
    assert scores.answer_class in class_contract().target.classes  # type: ignore[union-attr]  # a package of classes
    assert f"answers are {scores.answer_class!r} against" in scores.reason


def test_a_canary_that_answers_alike_is_not_failed(serve: StartServer, classes: Package) -> None:
    found = judged(serve(classes.path), serve(classes.path))
    assert found.verdict != "fail"
    assert next(signal for signal in found.findings if signal.name == "score_shift").excess == 0
