"""Each fault changes what is trained or served, and nothing else."""

from pathlib import Path

import pandas as pd
import pytest

from components.errors import SpecError
from components.spec.contract import Harm, NumberFeature
from components.spec.reading.loading import load_spec
from components.spec.views import table_bounds
from components.table.cells import read_table
from k8s.twin.demo.faults import FAULTS, third_version, write_spec

CHURN = Path("services/churn/service.yaml")


@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        ("errors", "rolled-back"),
        ("slow", "rolled-back"),
        ("wrong-unit", "rolled-back"),
        ("worse", "rolled-back"),
        ("swapped-classes", "rolled-back"),
        ("under-load", "rolled-back"),
        ("lossy", "rolled-back"),
        ("shuffled-labels", "refused"),
        ("none", "promoted"),
    ],
)
def test_every_fault_makes_a_difference_and_says_how_it_must_end(fault, ending, tmp_path: Path):
    spec = load_spec(CHURN)
    third = third_version(fault, spec, "monthly_charges", tmp_path)
    assert third.ending == ending
    # Settings alone would train the second version's model again, and that registers no third version.
    assert load_spec(third.spec) != spec or third.data != spec.data.uri


@pytest.mark.parametrize(
    ("fault", "ending"), [("errors", "promoted"), ("none", "promoted"), ("shuffled-labels", "refused")]
)
def test_without_a_canary_only_the_gates_stop_a_version(fault, ending, tmp_path: Path):
    spec = load_spec(CHURN)
    basic = spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"strategy": "basic"})})
    assert third_version(fault, basic, "monthly_charges", tmp_path).ending == ending


def test_every_fault_is_tried_above():
    shown = {"errors", "slow", "wrong-unit", "worse", "swapped-classes", "under-load", "lossy", "shuffled-labels"}
    assert set(FAULTS) == {*shown, "none"}


def test_numbers_have_no_classes_to_swap(tmp_path: Path):
    spec = load_spec(Path("services/diamonds/service.yaml"))
    with pytest.raises(SpecError, match="diamonds answers numbers and has no classes to swap; choose another FAULT"):
        third_version("swapped-classes", spec, "carat", tmp_path)


def test_a_wrong_unit_reads_a_hundred_times_what_callers_send(tmp_path: Path):
    """A wrong unit accepts the values that callers send, and reads a hundred times as much."""
    spec = load_spec(CHURN)
    third = third_version("wrong-unit", spec, "monthly_charges", tmp_path)
    before, after = spec.features["monthly_charges"], load_spec(third.spec).features["monthly_charges"]
    assert isinstance(before, NumberFeature)
    assert isinstance(after, NumberFeature)
    assert after.factor == 100
    assert (after.unit, after.min, after.max) == (before.unit, before.min, before.max)
    assert "monthly_charges in cents" in third.explanation


def test_the_bounds_of_a_wrong_unit_hold_what_is_in_the_table(tmp_path: Path):
    spec = load_spec(CHURN)
    for bounds, within in (((15.0, 45.0), (15.0, 4500.0)), ((-50.0, -2.0), (-5000.0, -2.0))):
        low, high = bounds
        changed = NumberFeature(type="number", min=low, max=high)
        changed_spec = spec.model_copy(update={"features": {**spec.features, "monthly_charges": changed}})
        third = third_version("wrong-unit", changed_spec, "monthly_charges", tmp_path)
        after = load_spec(third.spec).features["monthly_charges"]
        assert isinstance(after, NumberFeature)
        assert table_bounds(after) == pytest.approx(within)


def test_shuffled_labels_keep_features_and_positives_share(tmp_path: Path):
    """Shuffled labels keep every feature and the share of positives."""
    spec = load_spec(CHURN)
    third = third_version("shuffled-labels", spec, None, tmp_path)
    before, after = read_table(spec.data.uri), read_table(third.data)
    pd.testing.assert_frame_equal(before[list(spec.features)], after[list(spec.features)])
    assert (before["churn"] == "Yes").sum() == (after["churn"] == "Yes").sum()
    assert 0.5 < (before["churn"] == after["churn"]).mean() < 0.7


def test_a_service_without_numbers_needs_another_fault(tmp_path: Path):
    """A service without numbers is told to choose another fault."""
    with pytest.raises(SpecError, match="churn has no number to read in a wrong unit; choose another FAULT"):
        third_version("wrong-unit", load_spec(CHURN), None, tmp_path)


def test_an_unjudged_signal_stays_unjudged_in_the_demo(tmp_path: Path):
    """A signal that is not judged is not judged in the demo either."""
    spec = load_spec(CHURN)
    rollout = spec.rollout.model_copy(update={"harm": Harm(label_loss=None)})
    unlabelled = spec.model_copy(update={"rollout": rollout})
    assert load_spec(write_spec(unlabelled, tmp_path / "service.yaml")) == unlabelled
