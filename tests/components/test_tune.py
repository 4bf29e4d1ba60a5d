from __future__ import annotations

import time
from typing import Any

import pytest

from components import tune
from components.models.spaces import SPACES, combinations
from components.spec.tasks import Candidate
from components.tune import plan, search
from tests.components.small_table import small_examples, small_spec
from tests.patience import patient

TREES: tuple[Candidate, ...] = ("logistic_regression", "random_forest", "gradient_boosting")


def asked(**training: Any) -> Any:
    return small_spec(training={"candidates": ["logistic_regression", "gradient_boosting"], "folds": 2, **training})


def test_a_random_plan_takes_the_candidates_in_turn() -> None:
    """In a random plan candidates take turns, and each begins with its sensible points."""
    points = plan(asked(candidates=TREES, trials=5, seed=1))
    assert [point.candidate for point in points] == [*TREES, *TREES[:2]]
    assert [point.parameters for point in points[:3]] == [combinations(kind)[0] for kind in TREES]
    assert points == plan(asked(candidates=TREES, trials=5, seed=1))
    assert any(points != plan(asked(candidates=TREES, trials=5, seed=seed)) for seed in range(2, 6))


def test_a_random_plan_never_tries_a_point_twice() -> None:
    points = plan(asked(candidates=TREES, trials=1000))
    tried = [(point.candidate, str(point.parameters)) for point in points]
    assert len(set(tried)) == len(tried) == sum(len(combinations(kind)) for kind in TREES)


def test_every_candidate_is_tried_even_with_fewer_trials() -> None:
    assert len(plan(asked(candidates=TREES, trials=1))) == 3


def test_a_grid_is_every_point() -> None:
    assert len(plan(asked(search="grid", candidates=["gradient_boosting"], trials=1))) == 3 * 3 * 2


def test_a_search_learns_and_repeats_itself() -> None:
    found = search(small_examples(400), asked(trials=4))
    assert [trial.number for trial in found.trials] == [0, 1, 2, 3]
    assert all(len(trial.scores) == 2 for trial in found.trials)
    assert found.best.mean == max(trial.mean for trial in found.trials) > 0.65
    again = search(small_examples(400), asked(trials=4))
    assert [trial.scores for trial in again.trials] == [trial.scores for trial in found.trials]


def test_a_search_keeps_the_cuts_of_its_best_trial() -> None:
    """Each row of the training part counts once, with the score of a model that did not see it."""
    rows = small_examples(400)
    cuts = search(rows, asked(trials=2)).cuts
    assert cuts is not None
    assert (cuts.positives, cuts.negatives) == ((rows.labels == 1).sum(), (rows.labels == 0).sum())
    assert cuts.true_positives[-1] + cuts.false_positives[-1] == 400


def test_optuna_tries_every_candidate_and_repeats_itself() -> None:
    found = search(small_examples(300), asked(search="optuna", trials=5))
    assert [trial.candidate for trial in found.trials[:2]] == ["logistic_regression", "gradient_boosting"]
    assert len(found.trials) == 5
    assert all(value in SPACES[t.candidate][name] for t in found.trials for name, value in t.parameters.items())
    again = search(small_examples(300), asked(search="optuna", trials=5))
    assert [trial.parameters for trial in again.trials] == [trial.parameters for trial in found.trials]


def test_a_search_ends_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "SEARCH_SHARE", 0.0)
    begun = time.monotonic()
    found = search(small_examples(300), asked(trials=8))
    assert (len(found.trials), found.planned) == (1, 8)
    assert time.monotonic() - begun < patient(30)


@pytest.mark.slow
def test_networks_are_tried_beside_the_others() -> None:
    found = search(small_examples(300), asked(candidates=["keras_mlp", "logistic_regression"], trials=2))
    assert [trial.candidate for trial in found.trials] == ["keras_mlp", "logistic_regression"]
    assert found.trials[0].mean > 0.6
