"""Requests of one row and of many: what a request shows weighs one, however many rows it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from components.spec.contract import BRIER_LOSSES, Harm
from services.judge.evidence.counts import BINS, COLUMNS, LOSSES_AT, SCORES_AT
from services.judge.evidence.exposition import PARTS, parse_page, read_replica
from services.judge.simulate.world import SimulatedVersion, champion, harmed
from services.judge.statistics.assess import is_harm, stack_arms
from services.judge.statistics.evalue import Array
from services.judge.statistics.signals import Signal, judged_signals
from services.model_server.counters import Counters, Exposition, layout_of
from services.model_server.feedback.grading import WordGrader
from tests.services.judge.builders import HOLDOUT
from tests.small_package import write_small_package

Whole = NDArray[np.int64]
#: Requests of both sides together, and the rows of a batch.
SINGLE, BATCHES, ROWS = 3000, 60, 500
WEIGHT = 0.5
SEEDS = 400
#: By signal, the cells that the rows of a batch share: those of high scores, those of wrong answers.
SPECIAL: dict[str, NDArray[np.bool_]] = {
    "score_shift": np.repeat(np.cumsum(champion().scores) > 0.5, 2),
    "label_loss": np.array(BRIER_LOSSES) > 0.25,
}
SIGNALS: dict[str, Signal] = {one.name: one for one in judged_signals(Harm(), 0.05, HOLDOUT)}


@dataclass(frozen=True)
class Side:
    """What one side answered in each of many rollouts: how many rows of single requests and of batches in each cell.

    A cell is a score's bin and its label (negative, positive); `batches` has the shape (rollouts, cells).
    """

    single: Array
    batches: Array
    batch_count: Array


def answered(
    version: SimulatedVersion, special: NDArray[np.bool_], single: Whole, batches: Whole, rng: np.random.Generator
) -> Side:
    """`single` and `batches` are how many requests of each kind a side got in each rollout.

    The rows of a batch are alike: all are in the cells that `special` names, or none.
    """
    cells = version.labels()
    inside, outside = np.where(special, cells, 0), np.where(special, 0, cells)
    chosen = rng.binomial(batches, inside.sum())
    rows = rng.multinomial(chosen * ROWS, inside / inside.sum())
    rows += rng.multinomial((batches - chosen) * ROWS, outside / outside.sum())
    return Side(rng.multinomial(single, cells).astype(float), rows.astype(float), batches.astype(float))


def as_counted(side: Side) -> Array:
    """As the model server counts: each row of a request is 1 / its rows."""
    return _table(side.single + side.batches / ROWS)


def by_row(side: Side) -> Array:
    """Every row alike, and all by one factor made as many as there are requests: what must not be done."""
    rows = side.single + side.batches
    requests = side.single.sum(1) + side.batch_count
    return _table(rows * (requests / rows.sum(1))[:, None])


def _table(cells: Array) -> Array:
    """The judge's counts; every answer got its labels."""
    table = np.zeros((len(cells), COLUMNS))
    table[:, SCORES_AT] = cells.reshape(-1, BINS, 2).sum(-1)
    table[:, LOSSES_AT] = cells @ PARTS
    return table


def failed(name: str, canary: SimulatedVersion, count: Callable[[Side], Array]) -> float:
    """The share of many rollouts in which a signal says that the canary does harm."""
    rng = np.random.default_rng(11)
    single, batches = rng.binomial(SINGLE, WEIGHT, SEEDS), rng.binomial(BATCHES, WEIGHT, SEEDS)
    ours = count(answered(canary, SPECIAL[name], single, batches, rng))
    theirs = count(answered(champion(), SPECIAL[name], SINGLE - single, BATCHES - batches, rng))
    signal = SIGNALS[name]
    return float(is_harm(signal, stack_arms(signal, [(WEIGHT, ours, theirs)])).mean())


@pytest.mark.parametrize("name", ["score_shift", "label_loss"])
def test_equal_versions_do_not_harm_with_many_rows_a_request(name: str) -> None:
    """Equal versions are not found to harm when requests have many rows."""
    assert failed(name, champion(), as_counted) <= SIGNALS[name].false_alarm


@pytest.mark.parametrize("name", ["score_shift", "label_loss"])
def test_to_count_rows_would_fail_equal_versions(name: str) -> None:
    assert failed(name, champion(), by_row) > 2 * SIGNALS[name].false_alarm


@pytest.mark.parametrize(("name", "excess"), [("score_shift", 0.25), ("label_loss", 0.12)])
def test_a_harmful_version_is_found_among_the_same_requests(name: str, excess: float) -> None:
    canary = harmed(champion(), name, excess)  # type: ignore[arg-type]
    assert failed(name, canary, as_counted) > 0.9


def test_the_model_server_counts_as_this_simulation_does(tmp_path: Path) -> None:
    package = write_small_package(tmp_path / "package")
    layout = layout_of(package.contract)
    memory = memoryview(bytearray(layout.bytes))
    counters = Counters(memory, 1, layout)
    for bins, positives in (([3], [True]), ([3] * 400 + [7] * 100, [False] * 500)):
        counters.scores(bins)
        counters.labels(WordGrader().grade(bins, positives).cells, len(bins))
    page = Exposition([memory], package, "churn", "1").text().decode()
    reading = read_replica(parse_page(page), "churn", 0)
    assert reading is not None
    single, batch = np.zeros((1, 2 * BINS)), np.zeros((1, 2 * BINS))
    single[0, 2 * 3 + 1], batch[0, 2 * 3], batch[0, 2 * 7] = 1, 400, 100
    expected = as_counted(Side(single, batch, np.ones(1)))[0, 3 : LOSSES_AT.stop]
    assert reading.counts.vector()[3 : LOSSES_AT.stop] == pytest.approx(expected)
    assert expected.sum() == pytest.approx(4)
