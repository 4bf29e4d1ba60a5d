"""What cannot be built is said in a sentence, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from services.image.__main__ import main
from tests.small_package import FEATURES, write_small_package


def _spec(folder: Path, name: str) -> Path:
    features = {key: feature.model_dump(mode="json") for key, feature in FEATURES.items()}
    document = {"name": name, "data": {"uri": "t.csv", "target": "left", "positive": "Yes"}, "features": features}
    (folder / "service.yaml").write_text(yaml.safe_dump(document))
    return folder / "service.yaml"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that answers as buildah does when it is asked whether it is there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "buildah").write_text("#!/bin/sh\n[ $1 = info ]\n")
    (folder / "buildah").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_nothing_to_build_and_no_engine_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    package = write_small_package(tmp_path / "package")
    asked = ["--spec", str(_spec(tmp_path, "small")), "--package", str(package.path), "--out", str(tmp_path / "out")]
    assert main(asked) == 1
    said = capsys.readouterr().err
    assert "the server's image registry.local/canario/server:" in said
    assert "no engine that builds images answers here" in said
    assert "make publish ENV=staging PART=server" in said
    assert main(["--component", "server", "--out", str(tmp_path / "out")]) == 1
    assert "no engine that builds images answers here" in capsys.readouterr().err
    assert main(["--spec", str(tmp_path / "absent.yaml")]) == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.usefixtures("engine")
def test_without_a_package_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--spec", str(_spec(tmp_path, "small")), "--out", str(tmp_path / "out")]) == 1
    assert "run `make train SERVICE=small` first" in capsys.readouterr().err


@pytest.mark.usefixtures("engine")
def test_a_package_of_another_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = write_small_package(tmp_path / "package")
    asked = ["--spec", str(_spec(tmp_path, "other")), "--package", str(package.path), "--out", str(tmp_path / "out")]
    assert main(asked) == 1
    assert f"is a package of {package.contract.name}, not of other" in capsys.readouterr().err


@pytest.mark.usefixtures("engine")
def test_a_base_that_is_not_to_be_had_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CANARIO_BASE_IMAGE", "registry.invalid/base")
    assert main(["--component", "judge", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "the base image registry.invalid/base cannot be had" in said
    assert "--base or CANARIO_BASE_IMAGE" in said
    assert not (tmp_path / "out" / "images" / "judge.json").exists()
