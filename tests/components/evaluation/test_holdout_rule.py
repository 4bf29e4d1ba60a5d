"""Some changes of a spec cut another hold-out, so that a champion may have trained on its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.evaluation.holdout_rule import overlap_reason
from components.spec.contract import Spec
from components.spec.views import recorded_spec
from components.table.holdout import Sides, split_examples
from tests.components.small_table import DOCUMENT, small_examples, small_spec
from tests.components.trained_small import evaluated, packaged, small_model

FEATURES: dict[str, Any] = DOCUMENT["features"]
FEWER = {name: feature for name, feature in FEATURES.items() if name != "plan"}
OTHER_TYPE = {**FEATURES, "senior": {"type": "number", "min": 0, "max": 1}}
ID = {"data": {**DOCUMENT["data"], "id": "note"}}
GROUP, TIME = {"split": {"group": "note"}}, {"split": {"time": "note"}}


def said(then: dict[str, Any], now: dict[str, Any]) -> str:
    return overlap_reason(recorded_spec(small_spec(**then)), small_spec(**now))


@pytest.mark.parametrize(
    ("then", "now", "what"),
    [
        ({}, {"features": FEWER}, "cut by the features, and they are not the champion's (gone: plan)"),
        ({"features": FEWER}, {}, "(new: plan)"),
        ({}, {"features": OTHER_TYPE}, "(of another type: senior)"),
        ({}, ID, "the champion's hold-out was cut by the features, this one by data.id 'note'"),
        (ID, {}, "was cut by data.id 'note', this one by the features"),
        (ID, GROUP, "was cut by data.id 'note', this one by split.group 'note'"),
        (GROUP, TIME, "was cut by split.group 'note', this one by split.time 'note'"),
        ({}, {"split": {"holdout": 0.3}}, "hold-out had 0.2 of the rows, this one has 0.3"),
    ],
)
def test_another_rule_is_said_with_what_differs_and_a_way_on(
    then: dict[str, Any], now: dict[str, Any], what: str
) -> None:
    found = said(then, now)
    assert what in found
    assert "the champion may have learned rows of this hold-out" in found
    assert "`gates: {versus_champion: null}`" in found
    assert ("name `data.id` or `split.group`" in found) is (now not in (ID, GROUP, TIME))


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ({}, {}),
        ({}, {"features": dict(reversed(FEATURES.items()))}),
        ({}, {"features": {**FEATURES, "spend": {"type": "number", "unit": "USD", "min": 0, "max": 400}}}),
        ({**ID, "features": FEWER}, ID),
        ({**GROUP, "features": FEWER}, GROUP),
        ({}, {"split": {"holdout": 0.1}}),
        ({}, {"training": {"seed": 8}, "gates": {"roc_auc": {"min": 0.5}}}),
    ],
)
def test_what_moves_no_row_is_no_reason_to_doubt(then: dict[str, Any], now: dict[str, Any]) -> None:
    assert said(then, now) == ""


def test_a_receipt_that_does_not_say_is_not_believed() -> None:
    assert overlap_reason({}, small_spec()).startswith(
        "the champion's receipt does not say how its hold-out was cut; name"
    )


@pytest.mark.parametrize(("changes", "moved"), [({"features": FEWER}, True), ({**ID, "features": FEWER}, False)])
def test_rows_move_just_where_it_is_said_that_they_do(changes: dict[str, Any], moved: bool) -> None:
    rule = {name: part for name, part in changes.items() if name != "features"}

    def sides(spec: Spec) -> Sides:
        return split_examples(small_examples(600, spec), spec)

    then, now = sides(small_spec(**rule)), sides(small_spec(**changes))
    assert bool(set(then.train.frame["note"]) & set(now.holdout.frame["note"])) is moved
    assert bool(said(rule, changes)) is moved


def test_an_evaluation_tells_the_gate(tmp_path: Path) -> None:
    champion = packaged(tmp_path / "p", small_model(c=0.001))
    same, other = (evaluated(small_model(), spec, champion) for spec in (small_spec(), small_spec(**ID)))
    assert same.champion is not None
    assert other.champion is not None
    assert (same.champion.doubt, same.passed) == ("", True)
    assert "data.id 'note'" in other.champion.doubt
    assert [gate.gate for gate in other.gates if not gate.passed] == ["versus_champion"]
    asked_for_none = evaluated(small_model(), small_spec(**ID, gates={"versus_champion": None}), champion)
    assert asked_for_none.passed
    assert np.isfinite(asked_for_none.champion.difference["roc_auc"].value if asked_for_none.champion else np.nan)
