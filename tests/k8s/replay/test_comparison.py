"""What two packages are called that are equal, nearly equal for a reason, and not equal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from components.models.machine import this_machine
from components.models.training import TrainedModel
from components.package.answers import Answer
from components.package.model_package import Package, write_package
from components.registry.packaging import package_model
from k8s.replay.comparison import answers, compare
from tests.components.small_table import small_spec
from tests.components.trained_small import ORIGIN, evaluated, packaged, small_model, small_sides
from tests.small_package import word_answer

HERE = this_machine()
THERE = HERE.model_copy(update={"threads": HERE.threads + 6, "processor": "another"})


def perturbed(by: float) -> TrainedModel:
    """The small model with every weight a little larger, as other arithmetic may make it."""
    graph = onnx.load_from_string(small_model().model)
    for tensor in graph.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(weights * (1 + by), tensor.name))
    return replace(small_model(), model=graph.SerializeToString())


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return packaged(tmp_path_factory.mktemp("kept") / "p", small_model())


def rebuilt(folder: Path, by: float) -> Package:
    return packaged(folder / "rebuilt", perturbed(by))


def test_the_same_inputs_are_equal_to_the_last_byte(kept: Package, tmp_path: Path) -> None:
    found = compare(kept, packaged(tmp_path / "again", small_model()), HERE, THERE)
    assert (found.verdict, found.different, found.causes) == ("equal", (), ())
    assert (found.kept.count, found.kept.furthest) == (50, 0.0)


def test_a_model_within_the_tolerance_is_taken_with_its_cause(kept: Package, tmp_path: Path) -> None:
    found = compare(kept, rebuilt(tmp_path, 3e-7), THERE, HERE)
    assert 0 < found.rebuilt.furthest <= 1e-6
    assert found.verdict == "within tolerance"
    assert "model.onnx" in found.different
    assert found.causes == (
        f"processor {HERE.processor} instead of another",
        f"threads {HERE.threads} instead of {THERE.threads}",
    )


def test_on_the_same_machine_the_trainer_itself_is_the_cause(kept: Package, tmp_path: Path) -> None:
    found = compare(kept, rebuilt(tmp_path, 3e-7), HERE, HERE)
    assert found.verdict == "within tolerance"
    assert found.causes == (
        "nothing that was recorded differs, so the logistic_regression trainer itself does not repeat to the last bit",
    )


def test_without_a_cause_that_has_a_name_it_is_refused(kept: Package, tmp_path: Path) -> None:
    found = compare(kept, rebuilt(tmp_path, 3e-7), None, HERE)
    assert found.rebuilt.agree
    assert (found.verdict, found.causes) == ("refused", ())


def test_a_model_beyond_the_tolerance_is_refused_for_any_cause(kept: Package, tmp_path: Path) -> None:
    """A model beyond the tolerance is refused, whatever the cause."""
    found = compare(kept, rebuilt(tmp_path, 1e-2), THERE, HERE)
    assert found.rebuilt.furthest > 1e-6
    assert found.kept.agree
    assert found.verdict == "refused"
    assert found.causes


def test_the_tolerance_is_the_one_that_was_recorded(kept: Package, tmp_path: Path) -> None:
    strict = replace(kept, receipt=kept.receipt.model_copy(update={"tolerance": 1e-12}))
    assert compare(strict, rebuilt(tmp_path, 3e-7), THERE, HERE).verdict == "refused"


def test_another_input_is_no_cause_that_excuses(kept: Package, tmp_path: Path) -> None:
    origin = replace(ORIGIN, snapshot="sha256:" + "d" * 64)
    evaluation = evaluated(small_model())
    spec, holdout = small_spec(), small_sides().holdout
    other = package_model(small_model().model, small_model().fit, evaluation, holdout, spec, origin, tmp_path / "p")
    found = compare(kept, other, THERE, HERE)
    assert found.different == ("receipt.json: data",)
    assert (found.verdict, found.causes) == ("refused", ())


def test_a_changed_golden_answer_is_seen_on_the_kept_model(kept: Package, tmp_path: Path) -> None:
    """A golden answer that was changed is seen on the kept model, even when every digest was written anew."""
    first = kept.golden[0]
    moved = Answer(probability=abs(word_answer(first).probability - 0.001), label=word_answer(first).label)
    golden = [first.model_copy(update={"answer": moved}), *kept.golden[1:]]
    forged = write_package(
        tmp_path / "forged",
        model=(kept.path / "model.onnx").read_bytes(),
        contract=kept.contract,
        golden=golden,
        holdout=kept.holdout,
        receipt=kept.receipt,
    )
    assert not answers(forged, forged).agree
    assert compare(forged, kept, HERE, HERE).verdict == "refused"
