from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from components.errors import DataError
from components.evaluate import TIMED_ROUNDS, score_shift, time_rows
from components.evaluation.decision import threshold_of
from components.evaluation.metrics import roc_auc
from components.models.trained import Trained
from components.package.bins import ProbabilityBins, compared
from components.spec.contract import SCORE_EDGES
from components.table.examples import Examples
from tests.components.small_table import small_spec
from tests.components.trained_small import WORTH, evaluated, packaged, small_cuts, small_model, small_sides, trained

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


VALUED: dict[str, Any] = {"decision": {"value": WORTH}}


def test_what_answers_decide_is_measured_at_their_threshold() -> None:
    found = evaluated(small_model(), small_spec(**VALUED))
    assert found.decision is not None
    holdout, threshold = small_sides().holdout, found.decision.threshold
    yes = trained(small_model()).score(holdout.columns) >= threshold
    assert threshold == threshold_of(small_spec(**VALUED).decision, small_cuts()) != 0.5
    assert found.decision.share == yes.mean()
    assert found.metrics["recall"].value == pytest.approx(yes[holdout.labels == 1].mean())
    assert found.metrics["accuracy"].value == pytest.approx((yes == holdout.labels).mean())
    (no, (spared, false)), (word, (missed, hits)) = found.confusion
    assert (no, word) == ("no", "yes")
    assert (spared + false + missed + hits, false + hits) == (found.rows, yes.sum())
    value = 1000 * (8 * hits - 2 * false - 10 * missed) / found.rows
    assert found.metrics["value"].value == pytest.approx(value)
    assert found.metrics["value"].low < value < found.metrics["value"].high


def test_without_a_decision_nothing_is_worth_money() -> None:
    found = evaluated(small_model())
    assert found.decision is None
    assert "value" not in found.metrics
    assert "decision" not in found.model_dump()
    assert "told" not in found.model_dump()


def test_a_champion_decides_by_its_own_threshold(tmp_path: Path) -> None:
    champion = packaged(tmp_path / "p", small_model())
    compared = evaluated(small_model(), small_spec(**VALUED), champion)
    holdout, known = small_sides().holdout, compared.champion
    assert known is not None
    assert known.metrics["recall"] == evaluated(small_model()).metrics["recall"]
    yes = trained(small_model()).score(holdout.columns) >= 0.5
    worth = np.where(yes, np.where(holdout.labels == 1, 8, -2), np.where(holdout.labels == 1, -10, 0))
    assert known.metrics["value"].value == pytest.approx(1000 * worth.mean())
    apart = compared.metrics["value"].value - 1000 * worth.mean()
    assert known.difference["value"].value == pytest.approx(apart)
    assert known.difference["roc_auc"].value == 0
    assert len(compared.told) == 1
    assert compared.told[0].endswith("and was from 0.5 on")


@pytest.mark.parametrize(
    ("gate", "failed"),
    [
        ({"min": -1e6, "min_gain": -1e6, "max_loss": 1e6}, []),
        ({"min": 1e6}, ["value"]),
        ({"min_gain": 1e6}, ["value over the simplest rule"]),
        ({"max_loss": 0}, ["value against the champion"]),
    ],
)
def test_a_gate_on_value_refuses_what_is_worth_too_little(tmp_path: Path, gate: Any, failed: list[str]) -> None:
    spec = small_spec(**VALUED, gates={"value": gate, "versus_champion": None})
    worse = small_model(c=0.0001)
    found = evaluated(worse, spec, packaged(tmp_path / "p", small_model(), small_spec(**VALUED)))
    assert [each.gate for each in found.gates if not each.passed] == failed
