"""Which of a Job's workers this is, and what TensorFlow is told of the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import SpecError
from components.jobs.train_worker import Place, main, place_of, tf_config
from components.models.trained import load_trained
from components.models.trials import Search, Trial
from components.spec.contract import Candidate
from components.table.cells import table_bytes
from tests.components.small_table import small_spec
from tests.components.trained_small import small_sides


def test_a_worker_is_named_as_kubernetes_names_its_pod() -> None:
    assert json.loads(tf_config(Place(1, 2), "churn-train", "workers")) == {
        "cluster": {"worker": ["churn-train-0.workers:2222", "churn-train-1.workers:2222"]},
        "task": {"type": "worker", "index": 1},
    }


@pytest.mark.parametrize(
    ("workers", "environ", "index"),
    [(1, {}, 0), (1, {"JOB_COMPLETION_INDEX": "0"}, 0), (2, {"JOB_COMPLETION_INDEX": "1"}, 1)],
)
def test_the_place_is_the_completion_index(workers: int, environ: dict[str, str], index: int) -> None:
    assert place_of(workers, environ) == Place(index, workers)


@pytest.mark.parametrize("environ", [{}, {"JOB_COMPLETION_INDEX": "2"}, {"JOB_COMPLETION_INDEX": "one"}])
def test_a_worker_without_a_place_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(SpecError, match="a number from 0 to 1 is allowed"):
        place_of(2, environ)


def written(folder: Path, candidate: Candidate) -> list[str]:
    """The step's inputs in a folder, as arguments."""
    parameters = {"C": 1.0} if candidate == "logistic_regression" else {}
    trial = Trial(number=0, candidate=candidate, parameters=parameters, scores=(0.5,), seconds=0.0)
    search = Search(metric="roc_auc", rows=1, planned=1, trials=(trial,))
    (folder / "spec.json").write_text(small_spec().model_dump_json(), encoding="utf-8")
    (folder / "train.parquet").write_bytes(table_bytes(small_sides().train.frame))
    (folder / "trials.json").write_text(search.model_dump_json(), encoding="utf-8")
    files = {"--spec": "spec.json", "--train": "train.parquet", "--trials": "trials.json", "--out": "out"}
    return [word for option, file in files.items() for word in (option, str(folder / file))]


def test_one_worker_writes_a_model_and_ends_when_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOB_COMPLETION_INDEX", raising=False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "taken").touch()
    assert main(written(tmp_path, "logistic_regression")) == 0
    assert load_trained(tmp_path / "out")[1].candidate == "logistic_regression"


def test_a_model_that_nobody_takes_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JOB_COMPLETION_INDEX", raising=False)
    monkeypatch.setattr("components.jobs.train_worker._TAKE_SECONDS", 0.0)
    assert main(written(tmp_path, "logistic_regression")) == 1
    assert "nobody took the model" in capsys.readouterr().err


def test_only_a_network_is_trained_by_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    monkeypatch.setenv("TF_CONFIG", "")
    arguments = [*written(tmp_path, "logistic_regression"), "--workers", "2", "--job", "j", "--service", "s"]
    assert main(arguments) == 2
    assert "which one worker fits; 2 workers were asked for" in capsys.readouterr().err
