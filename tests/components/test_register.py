"""The registry, the tracking and the steps that use them, on a real MLflow store in a SQLite file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.errors import PackageError, UnknownVersionError
from components.evaluate import with_training
from components.evaluation.explanation import draw_figures, explain_model
from components.models.trials import Search, Trial
from components.models.usage import DeviceUsage, Usage
from components.register import DataOrigin, register_package
from components.registry.model_registry import (
    aliased,
    champion,
    connect,
    find_version,
    local_package,
    made_by_run,
    promote,
)
from components.registry.tracking import REFUSED_TAG, RunRecord, record_refusal
from tests.components.empty_store import empty_store
from tests.components.mlflow_server import running_server
from tests.components.small_table import small_spec
from tests.components.trained_small import evaluated, packaged, small_model, small_sides, trained

USAGE = Usage(
    accelerator="gpu",
    count=2,
    devices=DeviceUsage(names=("NVIDIA L4",) * 2, busy_mean=0.5, busy_max=1.0, memory_peak_mib=600.0),
    memory_peak_mib=412.0,
    cpu_seconds=9.0,
    seconds=4.0,
)


@pytest.fixture
def uri(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return empty_store(tmp_path_factory, tmp_path / "m.db")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    figures = tmp_path_factory.mktemp("figures")
    evaluation = evaluated(small_model())
    draw_figures(explain_model(trained(small_model()), small_sides().holdout, small_spec()), evaluation, figures)
    trials = tuple(
        Trial(number=n, candidate="logistic_regression", parameters={"C": c}, scores=(0.7, 0.8), seconds=1.0)
        for n, c in enumerate([1.0, 0.1])
    )
    search = Search(metric="roc_auc", rows=100, planned=2, trials=trials, usage=USAGE)
    handed = {"split": USAGE.model_copy(update={"accelerator": "cpu", "count": 0, "devices": DeviceUsage()})}
    return RunRecord("small", "small-1", with_training(evaluation, small_model().fit), search, figures, handed)


def source(tmp_path: Path) -> DataOrigin:
    (tmp_path / "s.parquet").touch()
    return DataOrigin(str(tmp_path / "s.parquet"), "sha256:" + "c" * 64, "100 rows")


def test_before_the_first_run_there_is_no_champion_and_no_store(tmp_path: Path) -> None:
    assert champion(f"sqlite:///{tmp_path}/new/m.db", "small") is None
    assert not (tmp_path / "new").exists()


def test_a_run_is_told_whole_and_only_once(uri: str, record: RunRecord, tmp_path: Path) -> None:
    package = packaged(tmp_path / "p", small_model())
    first = register_package(uri, record, package.path, source(tmp_path))
    again = register_package(uri, record, package.path, source(tmp_path))
    assert first == again
    client = connect(uri)
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parent = next(run for run in runs if run.info.run_id == first.run_id)
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == first.run_id]
    assert len(runs) == 3
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(run.data.params["C"] for run in children) == ["0.1", "1.0"]
    assert children[0].data.metrics["roc_auc"] == pytest.approx(0.75)
    assert parent.data.params["candidate"] == "logistic_regression"
    assert parent.data.metrics["roc_auc"] == record.evaluation.metrics["roc_auc"].value
    assert len(client.get_metric_history(first.run_id, "roc_auc")) == 1
    names = {file.path for file in client.list_artifacts(first.run_id)}
    assert names == {"evaluation.json", "figures", "package", "validation.md"}
    assert len(client.search_model_versions("name = 'small'")) == 1


def test_what_each_step_asked_for_and_used_is_told(uri: str, record: RunRecord, tmp_path: Path) -> None:
    """A run says what each measured step asked for and used; what nothing measured has no number."""
    version = register_package(uri, record, packaged(tmp_path / "p", small_model()).path, source(tmp_path))
    data = connect(uri).get_run(version.run_id).data
    assert data.metrics["tune_device_memory_peak_mib"] == 600.0
    assert data.metrics["tune_device_busy_mean"] == 0.5
    assert data.metrics["split_host_memory_peak_mib"] == 412.0
    assert data.metrics["train_host_memory_peak_mib"] > 50
    assert data.metrics["evaluate_cpu_seconds"] > 0
    assert not {"train_device_busy_mean", "train_device_memory_peak_mib"} & data.metrics.keys()
    told = {name.removeprefix("canario."): value for name, value in data.tags.items() if name.startswith("canario.")}
    assert (told["tune.asked"], told["tune.used"]) == ("gpu x 2", "NVIDIA L4 x 2")
    assert (told["train.asked"], told["train.used"]) == ("cpu", "cpu")
    assert told["train.unmeasured"] == "no accelerator was asked for"
    assert "tune.unmeasured" not in told
    assert list(record.usage) == ["split", "tune", "train", "evaluate"]


def test_what_steps_hand_on_of_their_use_makes_no_other_run(record: RunRecord) -> None:
    assert replace(record, handed={"ingest": USAGE}).digest == record.digest


def test_a_version_that_nothing_here_registered_is_said(uri: str, record: RunRecord, tmp_path: Path) -> None:
    """A version that somebody registered by hand lacks the tags, and never becomes champion."""
    version = register_package(uri, record, packaged(tmp_path / "p", small_model()).path, source(tmp_path))
    client = connect(uri)
    client.create_model_version("small", "file:///by-hand", version.run_id)
    says = r"version 2 of small has no tag canario\.package .*`make train` did not register it"
    assert find_version(uri, "small", "challenger")[1] == version
    with pytest.raises(UnknownVersionError, match=says):
        find_version(uri, "small", "2")
    with pytest.raises(UnknownVersionError, match=says):
        promote(uri, "small", "2")
    assert champion(uri, "small") is None
    client.set_registered_model_alias("small", "champion", "2")
    with pytest.raises(UnknownVersionError, match="move an alias such as `champion` away from this one"):
        champion(uri, "small")


def test_a_package_that_left_the_registry_is_said(uri: str, record: RunRecord, tmp_path: Path) -> None:
    version = register_package(uri, record, packaged(tmp_path / "p", small_model()).path, source(tmp_path))
    shutil.rmtree(local_package(version, uri))
    with pytest.raises(PackageError, match=r"package: is not there, and the registry names it .* version 1; bring"):
        local_package(version, uri)


class Killed(BaseException):
    """An end as abrupt as a SIGKILL: no handler catches it."""


def kill_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """Simulates a kill of the process after a number of writes to MLflow."""
    from mlflow import MlflowClient

    taken = iter(range(1, 1000))

    def killing(method: Callable[..., Any]) -> Callable[..., Any]:
        def write(*given: Any, **named: Any) -> Any:
            answer = method(*given, **named)
            if next(taken) == writes:
                raise Killed
            return answer

        return write

    for name in WRITES:
        monkeypatch.setattr(MlflowClient, name, killing(getattr(MlflowClient, name)))


WRITES = (
    *("create_experiment", "create_run", "log_batch", "log_artifacts", "log_text", "set_terminated"),
    *("create_registered_model", "create_model_version", "set_registered_model_alias"),
)


@pytest.mark.parametrize(
    "writes", [3, 5, 14, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 18) if n not in (3, 5, 14))]
)
def test_a_run_that_was_killed_after_any_write_is_told_once(
    uri: str, record: RunRecord, tmp_path: Path, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = packaged(tmp_path / "p", small_model())
    with monkeypatch.context() as killing:
        kill_after(killing, writes)
        with pytest.raises(Killed):
            register_package(uri, record, package.path, source(tmp_path))
    version = register_package(uri, record, package.path, source(tmp_path))
    client = connect(uri)
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    assert [len(client.get_metric_history(run.info.run_id, "roc_auc")) for run in runs] == [1, 1, 1]
    assert [str(each.version) for each in client.search_model_versions("name = 'small'")] == ["1"]
    assert aliased(client, "small", "challenger") == version
    names = {file.path for file in client.list_artifacts(version.run_id)}
    assert names == {"evaluation.json", "figures", "package", "validation.md"}


def test_a_version_resolves_to_everything_in_the_receipt(uri: str, record: RunRecord, tmp_path: Path) -> None:
    package = packaged(tmp_path / "p", small_model())
    version = register_package(uri, record, package.path, source(tmp_path))
    tags = connect(uri).get_model_version("small", version.version).tags
    receipt = package.receipt
    assert version.package == tags["canario.package"] == package.digest
    assert (tags["canario.code"], tags["canario.lock"], tags["canario.snapshot"]) == (
        receipt.code,
        receipt.lock,
        receipt.data,
    )
    assert tags["canario.file.model.onnx"] == receipt.files["model.onnx"]
    assert read_registered(version, uri) == package.digest


def read_registered(version: object, uri: str) -> str:
    from components.package.model_package import package_digest
    from components.registry.model_registry import Registered

    assert isinstance(version, Registered)
    return package_digest(local_package(version, uri))


def test_a_bucket_behind_a_server_is_never_asked_directly(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.environment_variables import (
        MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD,
        MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD,
    )

    for setting in (MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD, MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD):
        monkeypatch.delenv(setting.name, raising=False)
        connect(uri)
        assert (setting.is_set(), setting.get()) == (True, False)


def test_the_aliases_move(uri: str, record: RunRecord, tmp_path: Path) -> None:
    first = register_package(uri, record, packaged(tmp_path / "a", small_model()).path, source(tmp_path))
    assert champion(uri, "small") is None
    assert promote(uri, "small", first.version) == promote(uri, "small", first.version) == champion(uri, "small")
    second = register_package(uri, record, packaged(tmp_path / "b", small_model(c=0.1)).path, source(tmp_path))
    assert (first.version, second.version) == ("1", "2")
    assert aliased(connect(uri), "small", "challenger") == second
    assert champion(uri, "small") == first


def test_a_registered_package_that_was_changed_is_refused(uri: str, record: RunRecord, tmp_path: Path) -> None:
    version = register_package(uri, record, packaged(tmp_path / "p", small_model()).path, source(tmp_path))
    (local_package(version, uri) / "golden.jsonl").write_text("{}\n")
    with pytest.raises(PackageError, match="was changed"):
        local_package(version, uri)


def test_a_run_that_is_asked_for_again_has_its_version_already(uri: str, record: RunRecord, tmp_path: Path) -> None:
    assert made_by_run(uri, "small", record.run) is None
    first = register_package(uri, record, packaged(tmp_path / "a", small_model()).path, source(tmp_path))
    assert made_by_run(uri, "small", record.run) == first
    assert made_by_run(uri, "small", "another") is None
    assert made_by_run(f"sqlite:///{tmp_path}/none.db", "small", record.run) is None


def test_an_older_version_does_not_become_the_challenger_again(uri: str, record: RunRecord, tmp_path: Path) -> None:
    packages = [packaged(tmp_path / str(c), small_model(c=c)).path for c in (1.0, 0.1)]
    first, second = (register_package(uri, record, package, source(tmp_path)) for package in packages)
    assert register_package(uri, record, packages[0], source(tmp_path)) == first
    assert aliased(connect(uri), "small", "challenger") == second


def test_a_refused_run_is_told_as_failed_and_registers_nothing(uri: str, record: RunRecord) -> None:
    run_id = record_refusal(uri, record, "roc_auc: 0.5, must be at least 0.8")
    assert record_refusal(uri, record, "roc_auc: 0.5, must be at least 0.8") == run_id
    run = connect(uri).get_run(run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags[REFUSED_TAG].startswith("roc_auc")
    assert connect(uri).search_registered_models() == []


def test_another_result_under_the_same_name_is_another_run(uri: str, record: RunRecord) -> None:
    first = record_refusal(uri, record, "x")
    changed = record.evaluation.model_copy(update={"package_mib": 9.0})
    other = RunRecord(record.service, record.run, changed, record.search, record.figures)
    assert record_refusal(uri, other, "x") != first


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of an MLflow server on this machine, that stores its callers' artifacts."""
    folder = tmp_path_factory.mktemp("server")
    empty_store(tmp_path_factory, folder / "m.db")
    with running_server(folder) as uri:
        yield uri


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_server_gives_back_the_package_that_it_was_given(server: str, record: RunRecord, tmp_path: Path) -> None:
    package = packaged(tmp_path / "p", small_model())
    version = register_package(server, record, package.path, source(tmp_path))
    assert version.package_uri.startswith("mlflow-artifacts:/")
    promote(server, "small", version.version)
    kept = champion(server, "small")
    assert kept == version
    assert local_package(kept, server) != package.path
    assert read_registered(kept, server) == package.digest
