"""Simulated values and classes: their harms are as large as said, and the judge is right about them."""

from __future__ import annotations

import numpy as np
import pytest

from components.spec.contract import Data, Harm
from services.judge.evidence.counts import CLASSES_AT, COLUMNS, LOSSES_AT
from services.judge.simulate.answered import champion_for, swapped
from services.judge.simulate.claims import Claim
from services.judge.simulate.rollouts import ANSWERS, play
from services.judge.simulate.tasks import TaskRow, run_tasks, summarise_task, task_cases, task_claims, task_table
from services.judge.simulate.world import LOSS_STEPS, SimulatedVersion, answer, champion, harmed
from services.telemetry import LABEL_LOSSES

VALUES, FEW, MANY = ANSWERS


@pytest.mark.parametrize("answers", ANSWERS)
def test_shares_are_those_of_one_answer(answers: str) -> None:
    version = ANSWERS[answers]()
    losses = version.losses
    assert losses is not None
    for shares in (version.scores, losses.own, losses.stale, *([version.classes] if version.classes.size else [])):
        assert shares.sum() == pytest.approx(1)
        assert shares.min() >= 0
    assert version.loss() < float(losses.stale @ LOSS_STEPS) / 2


def test_errors_of_values_have_heavy_tails() -> None:
    """Some answers are so far off that their loss is cut to 1; with normal errors of this scale none would be."""
    losses = ANSWERS[VALUES]().losses
    assert losses is not None
    assert losses.own[-1] > 1e-4
    assert losses.own[: len(LOSS_STEPS) // 10].sum() > 0.8


@pytest.mark.parametrize("answers", ANSWERS)
def test_a_loss_is_worse_by_the_excess(answers: str) -> None:
    version = ANSWERS[answers]()
    assert harmed(version, "label_loss", 0.04).loss() - version.loss() == pytest.approx(0.04)


@pytest.mark.parametrize("answers", [FEW, MANY])
def test_a_shift_moves_one_class_by_the_excess(answers: str) -> None:
    version = ANSWERS[answers]()
    moved = harmed(version, "score_shift", 0.1).classes - version.classes
    assert np.abs(moved).max() == pytest.approx(0.1)
    assert moved.sum() == pytest.approx(0)


def test_swapped_classes_keep_all_but_the_classes() -> None:
    version = ANSWERS[FEW]()
    other = swapped(version)
    assert sorted(other.classes) == sorted(version.classes)
    assert np.abs(other.classes - version.classes).max() > 2 * (Harm().score_shift or 0)
    assert other.scores is version.scores


@pytest.mark.parametrize("answers", ANSWERS)
def test_drawn_counts_have_the_versions_means(answers: str) -> None:
    version = ANSWERS[answers]()
    table = answer(version, np.array([200_000]), None, np.random.default_rng(1), labelled=1.0)
    assert table.shape == (1, COLUMNS + version.classes.size)
    assert table[0, LOSSES_AT] @ np.array(LABEL_LOSSES) / 200_000 == pytest.approx(version.loss(), abs=0.002)
    assert table[0, CLASSES_AT] / 200_000 == pytest.approx(version.classes, abs=0.006)


def data(**more: object) -> Data:
    return Data.model_validate({"uri": "table.csv", "target": "answer", **more})


def test_a_plans_champion_is_of_the_specs_task() -> None:
    assert champion_for(data(positive="Yes")).losses is None
    assert champion_for(data(task="regression")) is ANSWERS[VALUES]()
    assert champion_for(data(task="multiclass", classes=["a", "b", "c"])) is ANSWERS[FEW]()


def test_the_judge_is_right_about_a_few_of_each() -> None:
    """A few rollouts of each kind; `make simulate` plays a thousand."""
    for case in task_cases():
        row = summarise_task(case, [play(case, 4, 1)])
        assert (row.rollouts, row.wrong) == (4, 0), case.name
        assert row.promoted + row.failed == (0 if case.excess == 1 else 4), case.name


def test_rows_come_in_the_order_of_the_cases() -> None:
    cases = task_cases()[3:6]
    rows = list(run_tasks(3, 7, 0.01, processes=1, cases=cases))
    assert [row.case for row in rows] == cases
    assert [row.rollouts for row in rows] == [3, 3, 3]
    assert "20 classes" not in str(task_table(rows).title)


def rows(*, wrong: int) -> list[TaskRow]:
    return [
        TaskRow(
            case,
            1000,
            wrong if case.excess > 1 or case.swaps else 0,
            0 if case.excess > 1 or case.swaps else wrong,
            1.0,
        )
        for case in task_cases()
    ]


def refuted(claims: list[Claim]) -> int:
    return sum(not claim.met for claim in claims)


def test_too_many_wrong_ends_refute_every_claim() -> None:
    """At a limit of 1 %, 18 of 1,000 may be chance (Clopper and Pearson, 99 %), and 19 are not."""
    assert refuted(task_claims(rows(wrong=18))) == 0
    assert refuted(task_claims(rows(wrong=19))) == len(task_cases())
    assert refuted(task_claims([])) == len(task_cases())


def test_a_version_of_words_is_drawn_as_before() -> None:
    """Two words need no more draws than they did, so that every simulated rollout of them is the same."""
    usual: SimulatedVersion = champion()
    assert answer(usual, np.array([10]), None, np.random.default_rng(1)).shape == (1, COLUMNS)
    assert usual.losses is None
