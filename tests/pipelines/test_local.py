"""The whole graph through KFP's local runner, on a small real table."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import psutil
import pytest
import yaml

from components.features.encoding import encode_rows
from components.package.model_package import open_graph, read_package
from components.registry.model_registry import connect, promote
from components.spec.contract import Spec
from components.table.cells import read_table
from components.table.holdout import split_examples
from pipelines.local import main
from tests.components.small_table import csv_of, small_examples, small_frame, small_spec
from tests.git_repository import git
from tests.patience import patient
from tests.shared import made_once
from tests.small_package import word_answer

STEPS = ["ingest", "validate", "split", "tune", "train", "evaluate", "gate"]
STEPS += ["register", "image", "release"]
REUSABLE = {"validate", "split", "tune", "train", "evaluate"}


@dataclass(frozen=True)
class Workplace:
    """A folder with a table, specs and a store."""

    folder: Path

    @property
    def mlflow(self) -> str:
        return f"sqlite:///{self.folder}/mlflow.db"

    def spec(self, name: str = "spec", **changes: Any) -> Path:
        data = {**small_spec().data.model_dump(), "uri": "small.csv"}
        spec = Spec.model_validate({**small_spec().model_dump(mode="json"), "data": data, **changes})
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(spec.model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
        return path

    def command(self, home: str, spec: Path, *more: str) -> list[str]:
        places = ["--home", str(self.folder / home), "--store", str(self.folder / "store"), "--mlflow", self.mlflow]
        return [sys.executable, "-m", "pipelines.local", "--spec", str(spec), *places, *more]

    def run(self, home: str, spec: Path, *more: str, status: int = 0) -> dict[str, Any]:
        done = subprocess.run(self.command(home, spec, *more), capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr + done.stdout
        result: dict[str, Any] = json.loads((self.folder / home / "result.json").read_text())
        assert json.loads(done.stdout.splitlines()[-1]) == result
        assert [path.name for path in (self.folder / home).iterdir() if path.name.startswith(".")] == []
        return result

    def measured(self, run_id: str) -> set[str]:
        """The steps whose use is in a run of MLflow."""
        metrics = connect(self.mlflow).get_run(run_id).data.metrics
        return {
            name.removesuffix("_host_memory_peak_mib") for name in metrics if name.endswith("_host_memory_peak_mib")
        }

    def versions(self) -> list[str]:
        return sorted(str(version.version) for version in connect(self.mlflow).search_model_versions("name = 'small'"))


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return _workplace(tmp_path)


def _workplace(folder: Path) -> Workplace:
    (folder / "small.csv").write_bytes(csv_of(small_frame(600)))
    return Workplace(folder)


@dataclass(frozen=True)
class Trained:
    """The first version, made by a run that was killed during the search and goes on."""

    place: Workplace
    first: dict[str, Any]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the workers of this run train."""

    def make(folder: Path) -> None:
        place = _workplace(folder)
        with _killed(place, "v1", signal.SIGKILL) as (status, _children):
            assert status == -signal.SIGKILL
        assert not (folder / "v1" / "result.json").exists()
        place.run("v1", place.spec())

    return made_once(tmp_path_factory, "local-run", make)


@pytest.fixture
def trained(known: Path) -> Iterator[Trained]:
    """The first version without a champion, in a folder that no other worker uses meanwhile."""
    with filelock.FileLock(known.with_name(f"{known.name}.turn")):
        place = Workplace(known)
        connect(place.mlflow).delete_registered_model_alias("small", "champion")
        yield Trained(place, json.loads((known / "v1" / "result.json").read_text()))


@pytest.fixture
def champion(trained: Trained) -> Trained:
    """The first version as the champion."""
    promote(trained.place.mlflow, "small", trained.first["model_version"])
    return trained


def test_a_run_that_was_killed_goes_on(trained: Trained) -> None:
    first = trained.first
    assert (first["status"], first["model_version"], first["champion"], first["commit"]) == ("ok", "1", None, None)
    assert sorted(first["steps"]) == sorted(STEPS)
    assert {step for step, ran in first["steps"].items() if ran["reused"]} == {"validate", "split"}
    _is_packaged(first)
    _is_reported(trained.place, first)


def test_a_run_that_changes_nothing_registers_nothing(trained: Trained) -> None:
    before = trained.place.versions()
    again = trained.place.run("unchanged", trained.place.spec())
    assert {step for step, ran in again["steps"].items() if ran["reused"]} == REUSABLE
    keys = ("run", "digest", "model_version", "run_id")
    assert [again[key] for key in keys] == [trained.first[key] for key in keys]
    assert trained.place.versions() == before


def _is_packaged(result: dict[str, Any]) -> None:
    package = read_package(Path(result["package"]))
    assert package.digest == result["digest"]
    assert (package.receipt.run, package.receipt.data) == (result["run"], result["snapshot"]["digest"])
    # A binary package tells the metrics that it always told, so that its bytes stay.
    assert result["metrics"].items() >= package.receipt.metrics.items()
    requests = [row.request for row in package.golden]
    answers = open_graph(package).predict(encode_rows(package.contract.encoding, requests))
    assert np.abs(answers - [word_answer(row).probability for row in package.golden]).max() < 1e-6


def _is_reported(place: Workplace, result: dict[str, Any]) -> None:
    expected = split_examples(small_examples(600), small_spec()).holdout.frame
    assert read_table(result["holdout"])["note"].tolist() == expected["note"].tolist()
    found = json.loads((place.folder / "v1" / "evaluation.json").read_text())
    assert {name: interval["value"] for name, interval in found["metrics"].items()} == result["metrics"]
    assert len(found["search"]["trials"]) == 2
    assert all(trial["mean"] == pytest.approx(np.mean(trial["scores"])) for trial in found["search"]["trials"])
    assert {each["feature"] for each in found["importance"]} == set(small_spec().features)
    assert found["calibration"]
    assert list(found["usage"]) == ["ingest", "validate", "split", "train", "evaluate", "gate"]
    assert all(used["memory_peak_mib"] > 50 for used in (found["search"]["usage"], *found["usage"].values()))

    assert place.measured(result["run_id"]) == set(STEPS) - {"image", "release"}


def test_a_known_version_is_compared_and_not_made_again(champion: Trained) -> None:
    """The same code, spec and data are the same run, although it is compared with a champion now: its own version."""
    place, first, before = champion.place, champion.first, champion.place.versions()
    again = place.run("again", place.spec())
    assert [again[key] for key in ("run", "digest", "model_version", "champion")] == [
        *(first[key] for key in ("run", "digest", "model_version")),
        first["digest"],
    ]
    # The table was validated for a run with a champion already, if that of another unit came first.
    reused = {step for step, ran in again["steps"].items() if ran["reused"]}
    assert reused - {"validate"} == {"split", "tune", "train"}
    assert place.versions() == before


def test_a_version_in_another_unit_is_trained_no_more(champion: Trained) -> None:
    """If only the values that callers send change, every step up to training is reused."""
    place, first = champion.place, champion.first
    features = small_spec().model_dump(mode="json")["features"]
    features["spend"] |= {"unit": "USD", "max": 500, "factor": 1}
    git(place.folder, "init", "--quiet", "--bare", "env.git")
    release = ["--environment", str(place.folder / "env.git"), "--env", "demo", "--settings", '{"A": "1"}']
    result = place.run(
        "v2", place.spec("usd", features=features, gates={"breaks_callers": True}), "--name", "usd", *release
    )
    assert {step for step, ran in result["steps"].items() if ran["reused"]} >= {"split", "tune", "train"}
    assert (result["run"], result["model_version"], result["champion"]) == ("usd", "2", first["digest"])
    models = [read_package(Path(each["package"])).receipt.files["model.onnx"] for each in (first, result)]
    assert models[0] == models[1]
    file = yaml.safe_load(git(place.folder / "env.git", "show", f"{result['commit']}:k8s/envs/demo/small.yaml"))
    assert file == {"service": "small", "version": "2", "package": result["digest"], "settings": {"A": "1"}}
    assert place.measured(result["run_id"]) == set(STEPS) - {"image"}


def test_a_model_that_breaks_a_gate_is_refused(trained: Trained) -> None:
    """A model that breaks a gate is reported, and is neither packaged nor registered."""
    place = trained.place
    before = place.versions()
    result = place.run("bad", place.spec("strict", gates={"roc_auc": {"min": 0.99}}), status=3)
    assert (result["status"], result["failed_step"], result["package"]) == ("refused", "gate", None)
    assert [breach["gate"] for breach in result["breaches"]] == ["roc_auc"]
    assert "must be at least 0.99" in result["message"]
    assert json.loads((place.folder / "bad" / "evaluation.json").read_text())["importance"]
    assert place.versions() == before
    client = connect(place.mlflow)
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], f"tags.`canario.run` = '{result['run']}'")
    assert run.info.status == "FAILED"
    assert place.measured(run.info.run_id) == set(STEPS) - {"register", "image", "release"}


def test_a_table_that_breaks_the_spec_is_bad_input(place: Workplace) -> None:
    frame = small_frame(300)
    frame.loc[4, "plan"] = "gold"
    (place.folder / "gold.csv").write_bytes(csv_of(frame))
    result = place.run("gold", place.spec(), "--data", str(place.folder / "gold.csv"), status=2)
    assert (result["status"], result["failed_step"]) == ("bad-input", "validate")
    assert result["steps"].keys() == {"ingest", "validate"}
    assert not any(step["reused"] for step in result["steps"].values())
    assert "column 'plan': 'gold' is none of basic, plus, pro (row 5)" in result["message"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--environment", "/tmp/x.git"], "--environment and --env go together"),
        (["--settings", "[]"], "--settings is a JSON object of texts"),
        (["--settings", '{"A": 1}'], "--settings is a JSON object of texts"),
    ],
)
def test_a_wrong_command_line_gets_a_sentence(
    place: Workplace, more: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(place.command("x", place.spec(), *more)[3:]) == 2
    assert says in capsys.readouterr().err
    assert not (place.folder / "x").exists()


@contextmanager
def _killed(place: Workplace, home: str, number: int) -> Iterator[tuple[int, list[int]]]:
    """A run that got a signal during the search: its exit status and its processes, which end with the block."""
    running = subprocess.Popen(
        place.command(home, place.spec()), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    for line in running.stderr:
        if line.strip().startswith("split "):
            break
    children = [child.pid for child in psutil.Process(running.pid).children(recursive=True)]
    running.send_signal(number)
    try:
        yield running.wait(patient(30)), children
    finally:
        for pid in children:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGKILL)
        running.stderr.close()


@pytest.mark.slow
def test_a_run_that_was_told_to_end_leaves_no_process(place: Workplace) -> None:
    with _killed(place, "home", signal.SIGTERM) as (status, children):
        assert status == 128 + signal.SIGTERM
        assert [pid for pid in children if psutil.pid_exists(pid)] == []
    assert not (place.folder / "home" / "result.json").exists()
    result = place.run("home", place.spec())
    assert {step for step, ran in result["steps"].items() if ran["reused"]} == {"validate", "split"}
    assert place.versions() == ["1"]


def test_two_runs_do_not_share_a_store(place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    (place.folder / "store").mkdir()
    with filelock.FileLock(place.folder / "store" / "lock"):
        assert main(place.command("x", place.spec())[3:]) == 1
    assert "another run is using this folder" in capsys.readouterr().err
