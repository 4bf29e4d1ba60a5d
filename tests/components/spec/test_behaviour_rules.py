"""A behaviour that a task's answers cannot show is refused, with what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from components.spec.contract import Spec

TASKS: dict[str, dict[str, Any]] = {
    "binary": {"positive": "Yes"},
    "multiclass": {"task": "multiclass", "classes": ["oak", "pine", "yew"]},
    "regression": {"task": "regression"},
}


def spec(task: str, **behaviour: object) -> Spec:
    document = {
        "name": "trees",
        "data": {"uri": "trees.csv", "target": "answer", **TASKS[task]},
        "features": {"height": {"type": "number", "min": 0, "max": 90}},
        "gates": {"behaviour": behaviour},
    }
    return Spec.model_validate(document)


def rising(**more: object) -> dict[str, object]:
    return {"feature": "height", "raises": True, **more}


@pytest.mark.parametrize(
    ("task", "behaviour", "words"),
    [
        ("regression", {"invariant": ["height"]}, "gates.behaviour.invariant: a number has no label that could change"),
        ("multiclass", {"direction": [rising()]}, "direction.0.of: name the class that moves; allowed: oak, pine, yew"),
        ("multiclass", {"direction": [rising(of="elm")]}, "direction.0.of: 'elm' is none of the classes; allowed: oak"),
        ("regression", {"direction": [rising(of="oak")]}, "of: belongs to task multiclass, and the task is regression"),
        ("binary", {"direction": [rising(of="Yes")]}, "of: belongs to task multiclass, and the task is binary"),
    ],
)
def test_what_has_no_meaning_is_refused(task: str, behaviour: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        spec(task, **behaviour)


def test_what_has_a_meaning_is_taken() -> None:
    assert spec("multiclass", invariant=["height"], direction=[rising(of="yew")]).gates.behaviour is not None
    assert spec("regression", direction=[rising()]).gates.behaviour is not None


def test_a_spec_of_two_words_is_written_as_before() -> None:
    written = spec("binary", direction=[rising()]).model_dump(mode="json")
    assert written["gates"]["behaviour"]["direction"] == [{"feature": "height", "raises": True, "min_share": 0.9}]
