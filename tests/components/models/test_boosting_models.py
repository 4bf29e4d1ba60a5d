"""LightGBM and XGBoost: their graphs answer what the libraries answer, in every task."""

from __future__ import annotations

import importlib
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from components.errors import ModelLibraryError
from components.models import boosting_models
from components.models.boosting_models import fit_boosted
from components.models.spaces import BOOSTING_ROUNDS, combinations
from components.models.trained import graph_runner
from components.spec.tasks import RULES, Candidate, Task

KINDS: Final[tuple[Candidate, ...]] = ("lightgbm", "xgboost")
TASKS: Final[tuple[Task, ...]] = ("binary", "multiclass", "regression")
WIDTH = 6


def table(task: Task, rows: int = 300, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Encoded rows with ties and zeros, as one-hot columns have them, and a target that follows some of them."""
    generator = np.random.default_rng(seed)
    encoded = generator.normal(size=(rows, WIDTH)).astype(np.float32)
    encoded[:, 0] = generator.integers(0, 2, rows)
    encoded[:, 1] = encoded[:, 1].round(1)
    signal = encoded[:, 0] + encoded[:, 1] - encoded[:, 2] ** 2 + generator.normal(0, 0.3, rows)
    if task == "regression":
        return encoded, 40_000.0 + 5_000.0 * signal
    edges = [-0.5] if task == "binary" else [-1.0, 0.5]
    return encoded, np.searchsorted(edges, signal).astype(np.int16)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_answers_what_the_library_answers(kind: Candidate, task: Task) -> None:
    """Also rows that no tree was fitted to, and cells that are exactly a threshold."""
    encoded, labels = table(task)
    fitted = fit_boosted(kind, task, combinations(kind)[-1], encoded, labels, 3)
    run = graph_runner(fitted.onnx(WIDTH), task)
    splits = np.concatenate([tree.threshold[tree.left >= 0] for tree in fitted.trees]).astype(np.float32)
    edges = np.tile(splits[:400, None], WIDTH)
    others = np.concatenate([table(task, seed=1)[0], edges, np.nextafter(edges, np.float32(np.inf)), 0 * edges[:1]])
    scale = labels.std() if task == "regression" else 1.0
    assert np.abs(run(others) - fitted.predict(others)).max() / scale < 1e-6
    assert len({round(float(answer), 9) for answer in fitted.predict(others).ravel()}) > 100


@pytest.mark.parametrize("task", TASKS)
def test_xgboost_itself_answers_the_same_but_for_float32(task: Task) -> None:
    """The library adds its leaves in float32, so that its own answers are further from the graph's."""
    xgboost = importlib.import_module("xgboost")
    encoded, labels = table(task)
    shift, scale = (float(labels.mean()), float(labels.std())) if task == "regression" else (0.0, 1.0)
    parameters = combinations("xgboost")[0]
    asked = {
        "objective": boosting_models._XGBOOST_OBJECTIVES[task], "tree_method": "hist", "seed": 3, "nthread": 1,
        "base_score": 0.0 if task == "regression" else 0.5, **({"num_class": 3} if task == "multiclass" else {}),
    }  # fmt: skip
    rows = xgboost.DMatrix(encoded, label=(labels - shift) / scale)
    booster = xgboost.train(asked | parameters, rows, num_boost_round=BOOSTING_ROUNDS)
    theirs = booster.predict(xgboost.DMatrix(encoded))
    ours = (fit_boosted("xgboost", task, parameters, encoded, labels, 3).predict(encoded) - shift) / scale
    assert np.abs(ours - theirs).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_a_boosted_model_learns_and_repeats_itself(kind: Candidate) -> None:
    encoded, labels = table("binary")
    first, second = (fit_boosted(kind, "binary", combinations(kind)[0], encoded, labels, 3) for _ in range(2))
    assert first.onnx(WIDTH) == second.onnx(WIDTH)
    unseen, truth = table("binary", seed=1)
    assert ((first.predict(unseen) >= 0.5) == (truth == 1)).mean() > 0.8


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_without_a_split_has_a_graph_too(kind: Candidate, task: Task) -> None:
    """Rows that are all alike leave nothing to split by."""
    encoded = np.zeros((40, WIDTH), dtype=np.float32)
    labels = np.arange(40) % 3 if task != "binary" else np.arange(40) % 2
    fitted = fit_boosted(kind, task, combinations(kind)[0], encoded, labels.astype(np.float64), 0)
    answers = graph_runner(fitted.onnx(WIDTH), task)(encoded)
    assert np.abs(answers - fitted.predict(encoded)).max() < 1e-6


def test_a_library_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> Any:
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(boosting_models, "import_module", missing)
    encoded, labels = table("binary")
    said = r"training.candidates: lightgbm cannot be loaded here \(libgomp.so.1: .*\(libgomp1 on Debian\), or leave"
    with pytest.raises(ModelLibraryError, match=said):
        fit_boosted("lightgbm", "binary", {}, encoded, labels, 0)


def test_both_are_tried_only_where_a_spec_names_them() -> None:
    for rules in RULES.values():
        assert set(KINDS) <= set(rules.candidates)
        assert not set(KINDS) & set(rules.tried)
