from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.evaluation.explanation import draw_figures, explain_model, page
from tests.components.small_table import small_examples, small_spec
from tests.components.trained_small import evaluated, known_model, small_model, small_sides, trained

EXAMPLES = small_examples(400)


def test_only_what_a_model_reads_matters_to_it() -> None:
    model = known_model(EXAMPLES, lambda rows, names: 1 / (1 + np.exp(-rows[:, names.index("größe")])))
    found = explain_model(model, EXAMPLES, small_spec())
    assert found.features[0].feature == "größe"
    assert found.features[0].loss.value > 0.1
    assert {each.loss.value for each in found.features[1:]} == {0.0}


def test_importance_is_the_mean_over_rounds_and_repeats_itself() -> None:
    first, second = (explain_model(trained(small_model()), EXAMPLES, small_spec()) for _ in range(2))
    assert first == second
    assert {each.feature for each in first.features} == set(small_spec().features)
    assert all(each.loss.low <= each.loss.value <= each.loss.high for each in first.features)


def test_figures_are_pictures_that_repeat_themselves(tmp_path: Path) -> None:
    found = explain_model(trained(small_model()), small_sides().holdout, small_spec())
    evaluation = evaluated(small_model())
    first = draw_figures(found, evaluation, tmp_path / "a")
    second = draw_figures(found, evaluation, tmp_path / "b")
    assert [path.name for path in first] == ["importance.png", "calibration.png", "roc.png", "confusion.png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in first)
    assert page(first).count("data:image/png;base64,") == 4


@pytest.mark.parametrize("name", ["a $ b $ c", "größe", "x_1"])
def test_a_feature_may_have_any_name(name: str, tmp_path: Path) -> None:
    found = explain_model(trained(small_model()), small_sides().holdout, small_spec())
    renamed = found.features[0].model_copy(update={"feature": name})
    draw_figures(found.model_copy(update={"features": (renamed,)}), evaluated(small_model()), tmp_path)
