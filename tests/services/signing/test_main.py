"""`make sign` writes a signature that the door takes, and a bill of materials; or says in a sentence why not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from components.package.model_package import Package
from components.package.signature import check_signature
from services.image.publish import main as publish
from services.signing.__main__ import main
from tests.no_workflow import no_workflow
from tests.signing_keys import write_keys
from tests.small_package import FEATURES, write_small_package


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return write_small_package(tmp_path / "store" / "package")


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No workflow runs this, whoever does."""
    no_workflow(monkeypatch)


def asked(folder: Path, package: Package, *more: str, name: str = "small") -> list[str]:
    features = {key: feature.model_dump(mode="json") for key, feature in FEATURES.items()}
    document = {"name": name, "data": {"uri": "t.csv", "target": "left", "positive": "Yes"}, "features": features}
    (folder / "service.yaml").write_text(yaml.safe_dump(document))
    return ["--spec", str(folder / "service.yaml"), "--package", str(package.path), *more]


def test_a_signed_package_has_both_files_beside_it(tmp_path: Path, package: Package) -> None:
    keys = write_keys(tmp_path / "keys")
    for _ in range(2):  # the second time in place of the first
        assert main(asked(tmp_path, package, "--key", str(keys.private))) == 0
    check_signature(package, keys.public)
    names = sorted(path.name for path in package.path.parent.iterdir())
    assert names == ["package", "package.cdx.json", "package.sigstore.json"]
    materials = json.loads((package.path.parent / "package.cdx.json").read_text())
    assert materials["metadata"]["component"]["version"] == package.digest


def test_what_cannot_sign_is_said_and_nothing_is_written(
    tmp_path: Path, package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    public = tmp_path / "public.pem"
    public.write_text(write_keys(tmp_path / "keys").public)
    for key, reason in (
        (tmp_path / "none.pem", "none.pem: is not there; `openssl"),
        (public, "is no private key in PEM without a password; `openssl"),
    ):
        assert main(asked(tmp_path, package, "--key", str(key))) == 1
        assert reason in capsys.readouterr().err
    assert [path.name for path in package.path.parent.iterdir()] == ["package"]


def test_a_key_in_a_work_tree_signs_nothing(
    tmp_path: Path, package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = write_keys(tmp_path / "keys")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert main(asked(tmp_path, package, "--key", str(keys.private))) == 1
    assert publish(["--record", str(tmp_path / "no.json"), "--key", str(keys.private)]) == 1
    assert capsys.readouterr().err.count("is in a work tree of Git, which does not ignore it") == 2
    assert [path.name for path in package.path.parent.iterdir()] == ["package"]


def test_without_a_key_nobody_is_asked_for_one_in_a_browser(
    tmp_path: Path, package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked(tmp_path, package)) == 1
    assert "or KEY=private-key.pem" in capsys.readouterr().err


def test_a_workflow_without_the_permission_is_told_which(
    tmp_path: Path, package: Package, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert main(asked(tmp_path, package)) == 1
    assert "Let its job have `id-token: write`" in capsys.readouterr().err


def test_a_package_of_another_model_is_not_signed(
    tmp_path: Path, package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked(tmp_path, package, name="other")) == 1
    assert "is a package of small, not of other" in capsys.readouterr().err
