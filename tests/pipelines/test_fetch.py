"""A version that was trained elsewhere is brought here, with all that the next commands read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.package.model_package import read_package
from components.store.content import Kind, Store
from pipelines.fetch import main
from tests.components.small_table import small_spec
from tests.k8s.audit.known_version import Known, make


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Known:
    return make(tmp_path_factory, tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "service.yaml"
    path.write_text(yaml.safe_dump(small_spec().model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    return path


def fetched(spec: Path, known: Known, store: Path, version: str = "1") -> int:
    here = spec.parent
    places = ["--home", str(here / "home"), "--copies", str(here / "copies"), "--store", str(store)]
    return main(["--spec", str(spec), "--version", version, "--mlflow", known.places.mlflow, *places])


def result_of(spec: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((spec.parent / "home" / "result.json").read_text(encoding="utf-8"))
    return found


def test_a_version_of_a_shared_store_is_as_if_trained_here(spec: Path, elsewhere: Known) -> None:
    assert fetched(spec, elsewhere, elsewhere.places.build / "store") == 0
    result = result_of(spec)
    package = read_package(Path(result["package"]))
    assert Path(result["package"]).is_relative_to(spec.parent / "copies")
    assert (result["status"], result["digest"], result["model_version"]) == ("ok", elsewhere.package.digest, "1")
    assert package.digest == elsewhere.package.digest
    assert (result["run"], result["snapshot"]["rows"]) == ("small-1", 600)
    assert result["metrics"].keys() >= package.receipt.metrics.keys()
    assert Store(str(spec.parent / "copies")).holds(Kind.SNAPSHOT, package.receipt.data)
    evaluation = json.loads((spec.parent / "home" / "evaluation.json").read_text(encoding="utf-8"))
    assert evaluation["metrics"]["roc_auc"]["value"] == result["metrics"]["roc_auc"]


def test_without_its_store_a_version_comes_from_the_registry(
    spec: Path, elsewhere: Known, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = elsewhere.places.build / "store"
    away = kept.with_name("away")
    kept.rename(away)
    try:
        assert fetched(spec, elsewhere, spec.parent / "empty") == 0
    finally:
        shutil.rmtree(kept, ignore_errors=True)
        away.rename(kept)
    assert "without its data, which replay and verify would read" in capsys.readouterr().out
    result = result_of(spec)
    assert read_package(Path(result["package"])).digest == elsewhere.package.digest
    assert result["snapshot"]["rows"] is None


@pytest.mark.parametrize("version", ["2", "x", ""])
def test_a_version_that_is_not_there_is_named(
    spec: Path, elsewhere: Known, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetched(spec, elsewhere, spec.parent / "store", version) == 1
    assert f"not fetched: version {version} of small is not in" in capsys.readouterr().err
    assert not (spec.parent / "home").exists()


def test_a_changed_package_is_refused(spec: Path, elsewhere: Known, capsys: pytest.CaptureFixture[str]) -> None:
    store = spec.parent / "store"
    shutil.copytree(elsewhere.places.build / "store", store)
    digest = elsewhere.package.digest.removeprefix("sha256:")
    (store / "packages" / digest / "golden.jsonl").write_text("{}\n")
    assert fetched(spec, elsewhere, store) == 1
    assert "was changed" in capsys.readouterr().err
    assert not (spec.parent / "home").exists()
