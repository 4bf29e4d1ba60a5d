"""A version passes only if its whole interval of loss lies within the limit; worse is told from unknown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, norm

from components.evaluation.bootstrap import differences, resample
from components.evaluation.gates import violation
from components.evaluation.metrics import METRICS
from components.evaluation.result import Comparison, Evaluation, GateResult, Interval
from components.evaluation.versus_champion import compared_with_champion, rounded_up, rows_needed
from components.spec.contract import SCORE_EDGES
from tests.components.small_table import small_spec
from tests.components.trained_small import evaluated, packaged, small_model

NONE = (0.0,) * len(SCORE_EDGES)
PLAIN = evaluated(small_model())
AREA, MAX_LOSS = 0.83, 0.02


@dataclass(frozen=True)
class Holdout:
    """A hold-out of which 25 % is positive, with the scores of a champion and of another model.

    `loss` is the difference of the two true areas under the ROC curve; their scores are correlated by 0.9.
    """

    labels: NDArray[np.int8]
    champion: NDArray[np.float64]
    candidate: NDArray[np.float64]

    @classmethod
    def drawn(cls, rows: int, loss: float, seed: int) -> Holdout:
        random = np.random.default_rng(seed)
        labels = (np.arange(rows) < rows // 4).astype(np.int8)
        common, own, other = random.normal(size=(3, rows))
        shifts = [np.sqrt(2) * norm.ppf(area) for area in (AREA, AREA - loss)]
        noises = [np.sqrt(0.9) * common + np.sqrt(0.1) * each for each in (own, other)]
        scores = [norm.cdf((noise + shift * labels) / 2) for noise, shift in zip(noises, shifts, strict=True)]
        return cls(labels, *scores)

    def judged(self, max_loss: float = MAX_LOSS, metric: str = "roc_auc") -> GateResult:
        return judged(self.difference(metric), max_loss, len(self.labels), int(self.labels.sum()), metric)

    def difference(self, metric: str = "roc_auc") -> Interval:
        weights = resample(self.labels, 7)
        asked = {metric: METRICS[metric]}
        return differences(self.labels, self.candidate, self.champion, weights, asked)[metric]


def judged(
    difference: Interval, max_loss: float, rows: int = 1000, positives: int = 500, metric: str = "roc_auc"
) -> GateResult:
    evaluation = PLAIN.model_copy(update={"rows": rows, "positives": positives})
    compared = Comparison(
        package="sha256:" + "0" * 64, metrics={}, difference={metric: difference}, shift=NONE, shift_error=NONE
    )
    return compared_with_champion(evaluation, compared, metric, max_loss)


@pytest.mark.parametrize("which", ["value", "low", "high"])
@pytest.mark.parametrize("nothing", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("metric", ["roc_auc", "brier_score"])
def test_what_is_no_number_does_not_pass(which: str, nothing: float, metric: str) -> None:
    difference = Interval(value=0.0, low=0.0, high=0.0).model_copy(update={which: nothing})
    found = judged(difference, 0.01, metric=metric)
    assert (found.passed, found.value) == (False, None)
    assert found.detail == f"{metric} cannot be compared with the champion's: its difference is not a number"


def test_a_clearly_worse_version_is_refused_as_worse() -> None:
    found = Holdout.drawn(4000, 0.08, seed=1).judged()
    assert not found.passed
    assert found.detail.endswith("; the model is worse than allowed")
    assert "too small" not in found.detail


def test_an_equal_version_passes_on_a_large_hold_out() -> None:
    found = Holdout.drawn(8000, 0.0, seed=2).judged()
    assert found.passed
    assert found.value is not None
    assert 0 < found.value <= MAX_LOSS
    assert "too small" not in found.detail


def test_an_equal_version_on_a_tiny_hold_out_is_unknown() -> None:
    """The refusal says what is not known, how many rows would show it, and what to do."""
    found = Holdout.drawn(60, 0.0, seed=3).judged()
    assert not found.passed
    assert "the hold-out of 60 rows is too small to say whether the model is worse than allowed" in found.detail
    assert "an equal one needs about " in found.detail
    assert "bring more rows, or set a larger `gates.versus_champion.max_loss`" in found.detail
    said = violation(found)
    assert said.startswith(
        f"versus_champion: {found.value:.4g}, must be at most 0.02 at the upper end of its interval ("
    )


def test_a_better_version_passes_even_if_nothing_may_be_lost() -> None:
    assert Holdout.drawn(1000, -0.05, seed=4).judged(max_loss=0).passed
    assert not Holdout.drawn(1000, 0.05, seed=4).judged(max_loss=0).passed


@pytest.mark.parametrize("rows", [20, 200])
@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "brier_score"])
def test_the_same_model_again_passes_whatever_the_hold_out(rows: int, metric: str) -> None:
    drawn = Holdout.drawn(rows, 0.0, seed=5)
    found = Holdout(drawn.labels, drawn.champion, drawn.champion).judged(0, metric)
    assert (found.passed, found.value) == (True, 0)
    assert found.detail == f"loss of {metric} against the champion: 0.0000, 95 % from 0.0000 to 0.0000"


def test_a_repeated_training_passes_its_own_gate(tmp_path: Path) -> None:
    champion = packaged(tmp_path / "p", small_model())
    assert gate_of(evaluated(small_model(), champion=champion)).passed
    weak = packaged(tmp_path / "q", small_model(c=0.001))
    strict = small_spec(gates={"versus_champion": {"max_loss": 0.0001}})
    assert not gate_of(evaluated(small_model(rows=60, c=0.0001), strict, weak)).passed


def gate_of(evaluation: Evaluation) -> GateResult:
    (found,) = (gate for gate in evaluation.gates if gate.gate == "versus_champion")
    return found


def test_an_earlier_result_is_read_as_it_was_judged() -> None:
    """An evaluation from before, whose loss itself was compared with the limit, keeps its numbers and its result."""
    detail = "loss of roc_auc against the champion, 95 % from -0.0200 to 0.0300"
    gate = GateResult(gate="versus_champion", value=0.005, limit="at most 0.01", passed=True, detail=detail)
    kept = PLAIN.model_copy(update={"gates": (gate,)}).model_dump_json()
    found = Evaluation.model_validate_json(kept)
    assert found.passed
    assert found.gates == (gate,)
    assert not judged(Interval(value=-0.005, low=-0.03, high=0.02), 0.01).passed


def test_a_smaller_brier_score_is_no_loss() -> None:
    less, more = Interval(value=-0.02, low=-0.03, high=-0.01), Interval(value=0.02, low=0.015, high=0.03)
    assert judged(less, 0.01, metric="brier_score").passed
    assert judged(more, 0.01, metric="brier_score").detail.endswith("the model is worse than allowed")
    assert not judged(less, 0.01).passed
    assert judged(more, 0.01).passed


def test_a_loss_above_all_samples_is_not_left_out() -> None:
    """Samples may all lie below a loss that was measured; what was measured counts, too."""
    assert judged(Interval(value=-0.03, low=-0.02, high=0.01), 0.025).value == pytest.approx(0.03)
    assert not judged(Interval(value=-0.03, low=-0.02, high=0.01), 0.025).passed
    assert judged(Interval(value=-0.03, low=-0.02, high=0.01), 0.03).passed


@pytest.mark.parametrize("max_loss", [0, 5e-324, 1e-300, 1e-12])
def test_no_table_shows_that_two_models_are_equal(max_loss: float) -> None:
    found = judged(Interval(value=0, low=-0.001, high=0.001), max_loss)
    assert not found.passed
    assert "and no table is large enough to show so small a loss: set a larger" in found.detail


def test_a_loss_that_luck_seldom_gives_an_equal_one_is_told() -> None:
    """A hold-out that is large enough for an equal model is not the only reason why nothing was shown."""
    found = judged(Interval(value=-0.009, low=-0.0125, high=-0.0055), 0.01, rows=5000)
    assert not found.passed
    assert "an equal one passes with so many nine times in ten, so it may be worse" in found.detail
    assert "needs about" not in found.detail


_LOSSES = st.floats(0, 0.5)


@example(ends=[-0.1, 0.0, 0.1], rows=10, one=5e-324, other=0.0)
@given(st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=3), st.integers(10, 10_000), _LOSSES, _LOSSES)
def test_a_larger_limit_never_refuses_what_a_smaller_passed(
    ends: list[float], rows: int, one: float, other: float
) -> None:
    low, value, high = sorted(ends)
    strict, mild = sorted((one, other))
    difference = Interval(value=value, low=low, high=high)
    first, second = (judged(difference, limit, rows, rows // 3) for limit in (strict, mild))
    assert first.passed <= second.passed
    assert first.value == second.value
    # What was shown to be worse than a limit was shown to be worse than a smaller one.
    assert ("worse than allowed" in first.detail and "too small" not in first.detail) or not (
        second.detail.endswith("the model is worse than allowed")
    )


def test_few_rows_of_a_class_widen_the_interval() -> None:
    difference = Interval(value=0, low=-0.02, high=0.02)
    few, many = (judged(difference, 0.1, 1000, positives).value for positives in (5, 500))
    assert few == pytest.approx(0.02 * 2.776 / 1.96 * np.sqrt(5 / 4), rel=1e-3)
    assert many == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize(("rows", "loss", "most"), [(80, 2 * MAX_LOSS, 0.025), (400, MAX_LOSS, 0.025)])
def test_a_worse_version_passes_no_oftener_than_the_level(rows: int, loss: float, most: float) -> None:
    """Of 200 draws no more pass than 2.5 % would give in 999 of 1,000 simulations; of better ones most do."""
    draws = 200
    passed = sum(Holdout.drawn(rows, loss, seed).judged().passed for seed in range(draws))
    assert passed <= binom.ppf(0.999, draws, most)


@pytest.mark.slow
def test_as_many_rows_as_are_asked_for_are_enough() -> None:
    """Where a hold-out was too small, one with the rows that the refusal names passes an equal model mostly."""
    small = [Holdout.drawn(400, 0.0, seed) for seed in range(20)]
    widths = [one.difference() for one in small]
    needed = round(rows_needed(400, float(np.mean([(each.high - each.low) / 2 for each in widths])), MAX_LOSS))
    passed = sum(Holdout.drawn(needed, 0.0, seed).judged().passed for seed in range(100, 160))
    assert 44 <= passed <= 60
    assert sum(one.judged().passed for one in small) < 15


@pytest.mark.parametrize(
    ("number", "rounded"), [(0.4, 1), (7, 7), (7.2, 8), (101, 110), (1366, 1400), (10_000, 10_000)]
)
def test_rows_are_rounded_up_to_two_digits(number: float, rounded: int) -> None:
    assert rounded_up(number) == rounded
