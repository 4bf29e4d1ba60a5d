"""What late steps used is added to their run, once, and never in the way of their work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.models.usage import DeviceUsage, Usage
from components.registry.model_registry import connect
from components.registry.step_usage import add_usage, late_usage
from tests.components.empty_store import empty_store
from tests.services.model_server.served import free_port

USAGE = Usage(accelerator="cpu", count=0, devices=DeviceUsage(), memory_peak_mib=412.0, cpu_seconds=9.0, seconds=4.0)
LATER = USAGE.model_copy(update={"seconds": 5.0})


@pytest.fixture
def uri(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return empty_store(tmp_path_factory, tmp_path / "m.db")


def begun(uri: str) -> str:
    client = connect(uri)
    run_id = str(client.create_run(client.create_experiment("small")).info.run_id)
    client.set_terminated(run_id, "FINISHED")
    return run_id


def test_what_was_added_is_read_back(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = begun(uri)
    add_usage(uri, run_id, {"register": USAGE})
    add_usage(uri, run_id, {"image": LATER})
    run = connect(uri).get_run(run_id)
    assert late_usage(run.data.metrics) == {"register": USAGE, "image": LATER}
    assert (run.data.tags["canario.image.asked"], run.data.tags["canario.image.used"]) == ("cpu", "cpu")
    assert run.info.status == "FINISHED"
    assert capsys.readouterr().err == ""


def test_the_first_record_stays(uri: str) -> None:
    run_id = begun(uri)
    add_usage(uri, run_id, {"image": USAGE})
    add_usage(uri, run_id, {"image": LATER, "release": LATER})
    assert late_usage(connect(uri).get_run(run_id).data.metrics) == {"image": USAGE, "release": LATER}
    assert len(connect(uri).get_metric_history(run_id, "image_seconds")) == 1


def test_without_a_measurement_nobody_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    add_usage("http://mlflow.invalid", "r", {})
    assert capsys.readouterr().err == ""
    assert late_usage({"roc_auc": 0.8, "train_seconds": 3.0}) == {}


def test_mlflow_that_is_away_is_said_and_fails_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    away = f"http://127.0.0.1:{free_port()}"
    add_usage(away, "r1", {"image": USAGE, "release": USAGE})
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"warning: what image and release used is not in MLflow, for run r1 at {away} could not be")
    assert "Connection refused" in said
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_a_run_that_is_gone_is_said(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    begun(uri)
    add_usage(uri, "0" * 32, {"register": USAGE})
    assert "could not be written: Run with id=0000" in capsys.readouterr().err
