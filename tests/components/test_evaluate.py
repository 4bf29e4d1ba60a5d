from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from components.errors import DataError
from components.evaluate import TIMED_ROUNDS, score_shift, time_rows
from components.evaluation.metrics import roc_auc
from components.models.trained import Trained
from components.package.bins import ProbabilityBins, compared
from components.spec.contract import SCORE_EDGES
from components.table.examples import Examples
from tests.components.small_table import small_spec
from tests.components.trained_small import evaluated, packaged, small_model, small_sides, trained

GATES: dict[str, Any] = {
    "roc_auc": {"min": 0.6},
    "fairness": {"by": ["plan"], "min_group_positives": 3, "max_equal_opportunity_gap": 0.99},
    "latency_p99_ms": {"max": 500},
    "package_mib": {"max": 1},
    "behaviour": {"invariant": ["senior"], "max_flip_ratio": 0.3, "direction": [{"feature": "größe", "raises": True}]},
}


def test_an_evaluation_is_about_the_hold_out() -> None:
    found = evaluated(small_model(), small_spec(gates=GATES))
    holdout = small_sides().holdout
    scores = trained(small_model()).score(holdout.columns)
    assert (found.rows, found.positives) == (len(holdout), holdout.labels.sum())
    assert found.metrics["roc_auc"].value == roc_auc(holdout.labels, scores)
    assert found.metrics["roc_auc"].low < found.metrics["roc_auc"].value < found.metrics["roc_auc"].high
    assert sum(found.scores) == found.rows == sum(each.rows for each in found.calibration)
    assert found.roc[0] == (0.0, 0.0)
    assert found.roc[-1] == (1.0, 1.0)
    assert 0 < found.speed.p50_ms <= found.speed.p99_ms
    assert found.champion is None
    assert found.passed
    assert {gate.gate for gate in found.gates} == {
        "roc_auc",
        "latency_p99_ms",
        "package_mib",
        "fairness by plan",
        "invariance of senior",
        "direction of größe",
    }


def test_a_champion_answers_the_same_rows_through_its_package(tmp_path: Path) -> None:
    """The champion answers through its package, on the same rows."""
    champion = packaged(tmp_path / "p", small_model(c=0.001))
    found = evaluated(small_model(), champion=champion).champion
    assert found is not None
    assert found.package == champion.digest
    holdout = small_sides().holdout
    theirs = trained(small_model(c=0.001)).score(holdout.columns)
    assert found.metrics["roc_auc"].value == pytest.approx(roc_auc(holdout.labels, theirs))
    ours = evaluated(small_model()).metrics["roc_auc"].value
    assert found.difference["roc_auc"].value == pytest.approx(ours - roc_auc(holdout.labels, theirs))
    assert any(found.shift)


def test_a_champion_compared_with_itself_does_not_differ(tmp_path: Path) -> None:
    found = evaluated(small_model(), champion=packaged(tmp_path / "p", small_model())).champion
    assert found is not None
    assert all((d.value, d.low, d.high) == (0, 0, 0) for d in found.difference.values())
    assert not any(found.shift)


def test_a_champion_of_a_missing_column_cannot_be_compared(tmp_path: Path) -> None:
    """A champion that reads a column the table no longer has cannot be compared."""
    champion = packaged(tmp_path / "p", small_model())
    holdout = small_sides().holdout
    poorer = Examples(holdout.frame.drop(columns="spend"), holdout.columns, holdout.labels)
    from components.evaluate import evaluate_model

    with pytest.raises(DataError, match="spend"):
        evaluate_model("x", trained(small_model()), 1, poorer, small_spec(), champion)


def test_a_shift_of_scores_by_hand() -> None:
    bins = ProbabilityBins()
    ours, theirs = (np.array(scores) for scores in ((0.3, 0.3, 0.9, 0.9), (0.1, 0.3, 0.9, 0.9)))
    shift, error = score_shift(compared(bins, ours) - compared(bins, theirs))
    at = {edge: place for place, edge in enumerate(SCORE_EDGES)}
    # One of four rows moved from 0.1 to 0.3: at edges from 0.1 to below 0.3 a quarter fewer lie below.
    assert [shift[at[edge]] for edge in (0.05, 0.1, 0.2, 0.3, 1.0)] == [0, -0.25, -0.25, 0, 0]
    assert error[at[0.1]] == pytest.approx(np.std([1, 0, 0, 0]) / 2)
    assert error[at[0.3]] == 0


@dataclass
class Disturbed:
    """A model on a busy machine, and its clock: in each round but one, another fifth of the rows has to wait."""

    model: Trained
    rows: int
    slow_row: int | None = None
    asked: int = 0
    now: float = 0.0

    def predict(self, encoded: NDArray[Any]) -> NDArray[Any]:
        turn, row = divmod(self.asked, self.rows)
        self.asked += 1
        if (row + turn) % TIMED_ROUNDS == 0 or row == self.slow_row:
            self.now += 0.02
        self.now += 0.001
        return self.model.predict(encoded)


@pytest.mark.parametrize(("slow_row", "slow"), [(None, False), (3, True)])
def test_only_a_row_that_is_always_slow_is_the_models_fault(slow_row: int | None, slow: bool) -> None:
    """A busy machine is not the model's fault, but a row that is always slow is."""
    model, holdout = trained(small_model()), small_sides().holdout.take(np.arange(40))
    disturbed = Disturbed(model, len(holdout), slow_row)
    found = time_rows(disturbed, model.encoding, holdout, small_spec(), lambda: disturbed.now)  # type: ignore[arg-type]
    assert (found.p99_ms > 10) is slow
    assert found.p50_ms == pytest.approx(1)
