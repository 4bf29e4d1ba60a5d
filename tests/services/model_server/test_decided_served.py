"""A model whose contract decides is served: each answer says yes or no, from the contract's threshold on."""

from __future__ import annotations

import pytest

from components.package.model_package import Contract, Package
from services.model_server.wording import wording_of
from tests.services.model_server.conftest import Caller, StartServer
from tests.small_answers import ROWS
from tests.small_package import small_contract, write_small_package

DECISION = {"capacity": {"decisions": 2, "of": 10}}


def deciding_contract(threshold: float = 0.3) -> Contract:
    plain = small_contract().model_dump(mode="json")
    return Contract.model_validate(plain | {"schema_version": 2, "decision": DECISION, "threshold": threshold})


@pytest.fixture(scope="module")
def deciding(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return write_small_package(tmp_path_factory.mktemp("packages") / "deciding", deciding_contract())


@pytest.fixture
def server(serve: StartServer, deciding: Package) -> Caller:
    return serve(deciding.path)


def test_each_answer_says_yes_or_no(server: Caller) -> None:
    assert server.get("/readyz").status == 200
    answers = server.predict(ROWS).json()
    assert [list(answer) for answer in answers] == [["probability", "label", "decision", "version"]] * len(ROWS)
    assert [answer["decision"] for answer in answers] == [answer["probability"] >= 0.3 for answer in answers]
    assert {answer["decision"] for answer in answers} == {True, False}
    assert all((answer["label"] == "Yes") is answer["decision"] for answer in answers)
    assert answers == [server.predict(row).json() for row in ROWS]


def test_a_probability_at_the_threshold_is_a_yes() -> None:
    answer = wording_of(deciding_contract(0.25), "1").answer([0.25, 0.2499], single=False)
    assert [part.count('"decision":true') for part in answer.split("},{")] == [1, 0]


def test_callers_are_told_where_a_yes_begins(server: Caller) -> None:
    schema = server.get("/schema").json()
    assert (schema["threshold"], schema["decision"]) == (0.3, DECISION)
    answer = server.get("/openapi.json").json()["components"]["schemas"]["Answer"]
    assert answer["required"] == ["probability", "label", "decision", "version"]
    assert answer["properties"]["decision"]["description"] == "Whether the probability is at least 0.3."


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": 1}, "schema_version: 1 is not that of task binary with a decision"),
        ({"decision": None}, "schema_version: 2 is not that of task binary"),
        ({"decision": {}}, "says nothing"),
    ],
)
def test_a_contract_whose_parts_contradict_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Contract.model_validate(deciding_contract().model_dump(mode="json") | changes)
