from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from components.evaluation.behaviour import flips, trend
from components.spec.contract import Direction
from tests.components.small_table import small_examples, small_spec
from tests.components.trained_small import known_model

EXAMPLES = small_examples(300)
SPEC = small_spec()


def test_labels_that_follow_a_category_flip_with_it() -> None:
    model = known_model(EXAMPLES, lambda rows, names: rows[:, names.index("senior=1")])
    share = float((EXAMPLES.columns["senior"] == "1").mean())
    assert flips(model, EXAMPLES, SPEC, "senior").ratio == pytest.approx(max(share, 1 - share))
    assert flips(model, EXAMPLES, SPEC, "plan").ratio == 0


@pytest.mark.parametrize("name", ["spend", "since"])
def test_labels_that_follow_a_number_or_a_date_flip_with_it(name: str) -> None:
    model = known_model(EXAMPLES, lambda rows, names: rows[:, names.index(name)] > 0)
    assert flips(model, EXAMPLES, SPEC, name).ratio >= 0.5
    assert flips(model, EXAMPLES, SPEC, "senior").ratio == 0


@pytest.mark.parametrize("name", ["spend", "since", "größe"])
def test_a_score_that_rises_with_a_feature_has_that_direction(name: str) -> None:
    model = known_model(EXAMPLES, lambda rows, names: 1 / (1 + np.exp(-rows[:, names.index(name)])))
    assert trend(model, EXAMPLES, SPEC, Direction(feature=name, raises=True)).share == 1.0
    assert trend(model, EXAMPLES, SPEC, Direction(feature=name, raises=False)).share < 0.2


def test_a_score_that_stays_is_never_wrong() -> None:
    model = known_model(EXAMPLES, lambda rows, names: np.full(len(rows), 0.3))
    assert trend(model, EXAMPLES, SPEC, Direction(feature="spend", raises=True)).share == 1.0
    assert trend(model, EXAMPLES, SPEC, Direction(feature="spend", raises=False)).share == 1.0


@pytest.mark.parametrize("cell", [np.nan, 20.0])
def test_a_feature_without_two_known_values_shows_no_direction(cell: float) -> None:
    """A feature that is always missing or never varies shows no direction."""
    model = known_model(EXAMPLES, lambda rows, names: np.full(len(rows), 0.3))
    alike = replace(EXAMPLES, columns={**EXAMPLES.columns, "spend": np.full(len(EXAMPLES), cell)})
    assert trend(model, alike, SPEC, Direction(feature="spend", raises=True)).share == 0.0


def test_a_feature_that_is_never_known_shows_no_invariance() -> None:
    model = known_model(EXAMPLES, lambda rows, names: np.full(len(rows), 0.3))
    unknown = replace(EXAMPLES, columns={**EXAMPLES.columns, "spend": np.full(len(EXAMPLES), np.nan)})
    assert flips(model, unknown, SPEC, "spend").ratio == 1.0


#: Three classes, of which the second gets more likely as the spend rises.
CLASSES = SPEC.model_copy(
    update={"data": SPEC.data.model_copy(update={"task": "multiclass", "positive": None, "classes": ("a", "b", "c")})}
)


def of_classes(rows: NDArray[np.float32], names: tuple[str, ...]) -> NDArray[np.float32]:
    second = 1 / (1 + np.exp(-rows[:, names.index("spend")]))
    return np.stack([(1 - second) / 2, second, (1 - second) / 2], axis=1)


def test_a_class_that_gets_more_likely_has_that_direction() -> None:
    model = known_model(EXAMPLES, of_classes)
    rising = trend(model, EXAMPLES, CLASSES, Direction(feature="spend", raises=True, of="b"))
    assert (rising.share, rising.of) == (1.0, "b")
    assert trend(model, EXAMPLES, CLASSES, Direction(feature="spend", raises=True, of="a")).share < 0.2


def test_the_likeliest_class_is_the_label_that_may_flip() -> None:
    model = known_model(EXAMPLES, of_classes)
    assert flips(model, EXAMPLES, CLASSES, "spend").ratio >= 0.3
    assert flips(model, EXAMPLES, CLASSES, "senior").ratio == 0
