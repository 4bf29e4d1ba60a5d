"""TensorFlow is loaded without waiting for what a machine does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.models.tensorflow_environment import tensorflow_environment


@pytest.mark.parametrize("name", ["accel0", "vfio/3"])
def test_a_machine_with_a_tpu_asks_for_its_place(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a machine that has a TPU asks the metadata server for the TPU's place."""
    monkeypatch.delenv("TPU_SKIP_MDS_QUERY", raising=False)
    (tmp_path / "vfio").mkdir()
    (tmp_path / "vfio" / "vfio").touch()
    assert tensorflow_environment(tmp_path)["TPU_SKIP_MDS_QUERY"] == "1"
    (tmp_path / name).touch()
    assert "TPU_SKIP_MDS_QUERY" not in tensorflow_environment(tmp_path)


def test_what_is_set_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    assert tensorflow_environment()["TF_CPP_MIN_LOG_LEVEL"] == "0"
