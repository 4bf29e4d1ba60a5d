"""What the model card tells of decisions: in money, against the simplest rule."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from components.evaluation.result import Evaluation
from k8s.audit import training_sections
from k8s.audit.records import Records
from k8s.twin.report.model_card import Card, facts, plots
from tests.components.small_table import small_spec
from tests.components.trained_small import WORTH, evaluated, packaged, small_model


@cache
def decided() -> Evaluation:
    return evaluated(small_model(), small_spec(decision={"value": WORTH}))


def card(found: Evaluation) -> Card:
    return Card.model_validate(found.model_dump(mode="json"))


def told(found: Evaluation) -> str:
    return " ".join(f"{fact.value} {fact.label}" for fact in facts(card(found))).replace("\N{NO-BREAK SPACE}", " ")


def test_a_card_says_in_money_what_the_model_is_worth() -> None:
    found = decided()
    assert found.decision is not None
    worth = found.metrics["value"]
    said = told(found)
    assert f"{found.decision.threshold:g} is where a yes begins" in said
    assert "1,000 answers are worth" in said
    shown = f"{worth.value:,.0f}" if abs(worth.value) >= 1000 else f"{worth.value:.3g}"
    assert f"USD {shown}".replace("-", "\N{MINUS SIGN}") in said


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (500, 700, "1,000 answers are worth USD 600 more than"),
        (-700, -500, "1,000 answers are worth less than"),
        (-100, 1300, "It is not shown that its answers are worth more than"),
    ],
)
def test_the_gain_over_the_simplest_rule_is_told_as_it_is(low: float, high: float, says: str) -> None:
    found = decided()
    assert found.decision is not None
    gain = {"value": (low + high) / 2, "low": low, "high": high}
    changed = found.decision.model_dump() | {"gain": gain}
    shown = card(Evaluation.model_validate(found.model_dump() | {"decision": changed}))
    titles = [plot.title.replace("\N{NO-BREAK SPACE}", " ") for plot in plots(shown, "2", "1")]
    assert any(title.startswith(says) for title in titles)


def test_a_champion_stands_beside_it_and_a_new_threshold_is_told(tmp_path: Path) -> None:
    champion = packaged(tmp_path / "p", small_model(c=0.001))
    found = evaluated(small_model(), small_spec(decision={"value": WORTH}), champion)
    (worth,) = (plot for plot in plots(card(found), "2", "1") if "answers" in plot.title)
    assert "The champion" in worth.plot
    assert "Callers may notice: a probability is a yes from" in worth.note


def test_without_a_decision_a_card_says_nothing_of_money() -> None:
    found = evaluated(small_model())
    assert "yes begins" not in told(found)
    assert not any("worth" in plot.title for plot in plots(card(found), "1", ""))


def test_a_dossier_tells_how_a_yes_was_found_and_its_worth(tmp_path: Path) -> None:
    spec = small_spec(decision={"value": WORTH, "capacity": {"decisions": 100, "of": 250}})
    found = evaluated(small_model(), spec)
    packaged(tmp_path / "package", small_model(), spec)
    (tmp_path / "evaluation.json").write_text(found.model_dump_json(), encoding="utf-8")
    said = " ".join(each.text for each in training_sections.tests(Records(tmp_path)).statements).replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert "found in the training part by cross-validation, so that at most 100 of 250 rows get it" in said
    assert "With true positive USD 8, false positive USD \N{MINUS SIGN}2" in said
    assert "1,000 of its answers are worth USD" in said
    assert "Value per 1,000 answers:" in said
