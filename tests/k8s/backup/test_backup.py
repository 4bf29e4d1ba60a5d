"""A backup is a folder whose every byte is known, or it is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.digest import file_digest
from k8s.backup.__main__ import main
from k8s.backup.backup import DATABASE, OBJECTS, RECORD, REGISTRY, read_backup
from k8s.errors import EnvironmentFileError
from tests.programs import program

MODELS: dict[str, Any] = {"small": {"aliases": {}, "tags": {}, "versions": {}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A backup as `make backup` leaves it."""
    made = tmp_path / "20260102T030405Z"
    made.mkdir()
    (made / DATABASE).write_bytes(b"rows")
    (made / OBJECTS).write_bytes(b"objects")
    (made / REGISTRY).write_text(json.dumps(MODELS))
    files = {name: file_digest(made / name) for name in (DATABASE, OBJECTS, REGISTRY)}
    record = {"environment": "local", "taken": "2026-01-02T03:04:05+00:00", "cluster": "uid", "mlflow": "image:1"}
    (made / RECORD).write_text(json.dumps({**record, "files": files}))
    return made


def test_a_whole_backup_is_read(folder: Path) -> None:
    record, contents = read_backup(folder, "local")
    assert (record.mlflow, contents) == ("image:1", MODELS)


@pytest.mark.parametrize("name", [DATABASE, OBJECTS, REGISTRY])
def test_a_file_that_changed_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"other")
    with pytest.raises(EnvironmentFileError, match=rf"{name} is sha256:.*, and was sha256:"):
        read_backup(folder, "local")
    (folder / name).unlink()
    with pytest.raises(EnvironmentFileError, match=f"{name} is not there"):
        read_backup(folder, "local")


def test_a_backup_of_another_environment_is_refused(folder: Path) -> None:
    with pytest.raises(EnvironmentFileError, match="is a backup of local, not of production"):
        read_backup(folder, "production")


def test_a_folder_that_was_not_ended_is_no_backup(folder: Path) -> None:
    (folder / RECORD).unlink()
    with pytest.raises(EnvironmentFileError, match=r"is no backup, for it has no backup\.json"):
        read_backup(folder, "local")


def test_a_cloud_has_backups_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where MLflow's stores are not in the cluster nothing is written, and the way to the cloud's backups is said."""
    program(tmp_path, "kubectl", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert main(["--env", "staging", "--out", str(tmp_path / "out")]) == 1
    assert "no backup: MLflow of staging has no store in this cluster" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
