"""The bill of materials names the package and exactly what the lock file does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.digest import sha256
from components.package.model_package import Package
from components.signing.sbom import bill_of_materials
from services.model_server.build import LOCK_FILE
from tests.small_package import write_small_package

HASH = f"--hash=sha256:{'0' * 64}"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return write_small_package(tmp_path_factory.mktemp("packages") / "package")


def test_it_names_the_package_the_lock_and_its_libraries(package: Package, tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"numpy==2.4.6 \\\n    {HASH} \\\n    {HASH}\n    # via x\nuvloop==0.23.0 \\\n    {HASH}\n")
    bom = json.loads(bill_of_materials(package, lock))
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    assert {(part["type"], part["name"], part["version"]) for part in bom["components"]} == {
        ("machine-learning-model", "small", package.digest),
        ("library", "numpy", "2.4.6"),
        ("library", "uvloop", "0.23.0"),
    }
    assert {part["purl"] for part in bom["components"] if "purl" in part} == {
        "pkg:pypi/numpy@2.4.6",
        "pkg:pypi/uvloop@0.23.0",
    }
    assert bom["metadata"]["properties"] == [{"name": "canario:lock", "value": sha256(lock.read_bytes())}]
    image = next(part for part in bom["dependencies"] if part["ref"] == "image")
    assert len(image["dependsOn"]) == 3


def test_the_same_package_and_lock_give_the_same_bytes(package: Package) -> None:
    first, second = bill_of_materials(package, LOCK_FILE), bill_of_materials(package, LOCK_FILE)
    assert first == second
    assert first.count('"type": "library"') == LOCK_FILE.read_text().count("==")


def test_another_package_or_lock_has_another_serial_number(package: Package, tmp_path: Path) -> None:
    locks = [tmp_path / name for name in ("one", "two")]
    for version, lock in enumerate(locks):
        lock.write_text(f"numpy=={version} {HASH}\n")
    serials = {json.loads(bill_of_materials(package, lock))["serialNumber"] for lock in locks}
    assert len(serials) == 2


def test_a_line_that_is_not_locked_is_said(package: Package, tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("numpy>=2\n")
    with pytest.raises(ValueError, match="numpy>=2: is no exact version"):
        bill_of_materials(package, tmp_path / "lock")
