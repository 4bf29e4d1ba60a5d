from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from components.errors import GateError
from components.spec.compatibility import AnsweredAs, answered_otherwise, other_decisions, refuse_narrower, refused
from components.spec.contract import CategoryFeature, Data, DateFeature, Feature, Gates, NumberFeature
from tests.components.small_table import small_spec

AGE = NumberFeature(type="number", min=0, max=120, missing="allowed")
PLAN = CategoryFeature(type="category", values=("basic", "gold", 1))
SINCE = DateFeature(type="date", min=date(2020, 1, 1), max=date(2025, 12, 31))
SPEND = NumberFeature(type="number", min=0, max=50, unit="USD")
CHAMPION: dict[str, Feature] = {"age": AGE, "plan": PLAN, "since": SINCE, "spend": SPEND}


def changed(feature: Feature, **update: Any) -> Feature:
    return feature.model_copy(update=update)


@pytest.mark.parametrize(
    "candidate",
    [
        CHAMPION,
        {**CHAMPION, "age": changed(AGE, min=-1, max=130, unit="years", factor=12.0)},
        {**CHAMPION, "plan": changed(PLAN, values=("1", "gold", "basic", "silver"), missing="allowed")},
        {**CHAMPION, "since": changed(SINCE, min=date(2019, 1, 1))},
        {**CHAMPION, "new": AGE},
    ],
    ids=["the same", "a wider range", "more values", "earlier days", "a new field that may be left out"],
)
def test_whoever_takes_as_much_or_more_refuses_nobody(candidate: dict[str, Feature]) -> None:
    assert refused(CHAMPION, candidate) == ()


@pytest.mark.parametrize(
    ("candidate", "sentence"),
    [
        ({**CHAMPION, "age": changed(AGE, max=100)}, "age must be from 0 to 100, and could be from 0 to 120"),
        ({**CHAMPION, "spend": changed(SPEND, unit="cents")}, "spend is in cents, and was in USD"),
        ({**CHAMPION, "age": changed(AGE, missing="refused")}, "age must be sent, and could be left out"),
        ({**CHAMPION, "age": PLAN.model_copy(update={"missing": "allowed"})}, "age is a category, and was a number"),
        ({**CHAMPION, "plan": changed(PLAN, values=("gold",))}, "plan may not be 'basic', '1' any more"),
        (
            {**CHAMPION, "since": changed(SINCE, max=date(2025, 12, 30))},
            "since must be from 2020-01-01 to 2025-12-30, and could be from 2020-01-01 to 2025-12-31",
        ),
        ({"age": AGE, "plan": PLAN, "spend": SPEND}, "since is not a field any more"),
        ({**CHAMPION, "new": SINCE}, "new is a new field that must be sent"),
    ],
)
def test_whoever_takes_less_is_told_what(candidate: dict[str, Feature], sentence: str) -> None:
    assert refused(CHAMPION, candidate) == (sentence,)


def test_a_spec_that_takes_less_is_refused_unless_it_says_so() -> None:
    spec = small_spec()
    wider = {name: changed(feature, missing="allowed") for name, feature in spec.features.items()}
    answered = AnsweredAs.by(spec.data)
    refuse_narrower(spec.features, answered, spec)
    with pytest.raises(GateError, match=r"say `breaks_callers: true` in its gates:\n- .* must be sent, and could be"):
        refuse_narrower(wider, answered, spec)
    refuse_narrower(wider, answered, small_spec(gates={"breaks_callers": True}))


NUMBER = {"uri": "t.csv", "task": "regression", "target": "left", "unit": "USD"}
CLASSES = {"uri": "t.csv", "task": "multiclass", "target": "left", "classes": ["a", "b", 3]}


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (NUMBER, NUMBER, []),
        (CLASSES, CLASSES, []),
        (NUMBER, {**NUMBER, "unit": "EUR"}, ["the value is in EUR, and was in USD"]),
        (NUMBER, {**NUMBER, "unit": None}, ["the value is in no unit, and was in USD"]),
        (NUMBER, CLASSES, ["the answer is of task multiclass, and was of task regression"]),
        (CLASSES, {**CLASSES, "classes": ["a", "b", 3, "c"]}, ["'c' is a new class"]),
        (CLASSES, {**CLASSES, "classes": ["a", "b", "c"]}, ["'c' is a new class", "'3' is not a class any more"]),
        (CLASSES, {**CLASSES, "classes": ["b", "a", 3]}, ["the classes stand in another order, by which "]),
    ],
)
def test_another_answer_is_told_as_breaking(before: dict[str, Any], now: dict[str, Any], said: list[str]) -> None:
    found = list(answered_otherwise(AnsweredAs.by(Data.model_validate(before)), Data.model_validate(now)))
    assert len(found) == len(said)
    assert all(sentence.startswith(start) for sentence, start in zip(found, said, strict=True))


def test_the_other_of_two_words_is_another_answer() -> None:
    data = small_spec().data
    other = data.model_copy(update={"positive": "no"})
    said = "the probability is that of 'no', and was that of 'yes'"
    assert list(answered_otherwise(AnsweredAs.by(data), other)) == [said]


def test_another_unit_is_refused_unless_the_spec_allows_it() -> None:
    spec = small_spec(data=NUMBER, training={})
    champion = AnsweredAs.by(Data.model_validate({**NUMBER, "unit": "EUR"}))
    with pytest.raises(GateError, match=r"would get other answers; .*\n- the value is in USD, and was in EUR"):
        refuse_narrower(spec.features, champion, spec)
    refuse_narrower(spec.features, champion, spec.model_copy(update={"gates": Gates(breaks_callers=True)}))


def test_an_answer_that_decides_no_more_is_breaking() -> None:
    spec, decided = small_spec(), small_spec(decision={"threshold": 0.3})
    champion = replace(AnsweredAs.by(spec.data), decides=True)
    refuse_narrower(spec.features, champion, decided)
    with pytest.raises(GateError, match=r"get other answers; .*\n- the answer does not say `decision` any more"):
        refuse_narrower(spec.features, champion, spec)
    refuse_narrower(spec.features, AnsweredAs.by(spec.data), decided)


def test_another_threshold_is_told_and_refuses_nothing() -> None:
    assert other_decisions(0.5, 0.5) == ()
    assert other_decisions(0.5, 0.25) == ("a probability is a yes from 0.25 on, and was from 0.5 on",)


def test_answers_are_compared_whether_or_not_they_decide() -> None:
    answered = AnsweredAs.by(small_spec().data)
    assert answered == replace(answered, decides=True)
