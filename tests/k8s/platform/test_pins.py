"""A published program is run by its digest where its registry is an environment's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from components.image.record import BuiltImage, write_record
from k8s.platform.pins import main
from tests.repo.tree import ROOT

DIGESTS = [f"sha256:{digit * 64}" for digit in "ab"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree in which staging has a registry of its own."""
    for folder in ("helm/canario", "k8s/envs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    values = {"judge": {"image": {"repository": "host/staging/judge"}, "replicas": 3}}
    (tmp_path / "k8s/envs/staging/canario.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def published(root: Path, name: str, digest: str, environment: str = "staging") -> int:
    record = write_record(root / "images", BuiltImage(name=name, tag="1", package=None, published=digest))
    return main(["--env", environment, "--record", str(record), "--root", str(root)])


def test_only_the_registrys_environment_names_the_image(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for digest in DIGESTS:
        assert published(root, "host/staging/judge", digest) == 0
        assert capsys.readouterr().out.startswith(f"k8s/envs/staging/images.yaml names host/staging/judge@{digest}; ")
    assert published(root, "host/staging/judge", DIGESTS[1]) == 0
    assert published(root, "host/staging/server", DIGESTS[0]) == 0
    assert capsys.readouterr().out == ""
    written = sorted(root.glob("k8s/envs/*/images.yaml"))
    assert written == [root / "k8s/envs/staging/images.yaml"]
    assert yaml.safe_load(written[0].read_text()) == {"judge": {"image": {"digest": DIGESTS[1]}}}


def test_a_registry_names_the_images_that_have_no_name(root: Path) -> None:
    """Where an environment names its registry, every part of the chart is there under its own name."""
    values = {"registry": "host/staging", "stores": {"image": {"repository": "host/other/stores"}}}
    (root / "k8s/envs/staging/canario.yaml").write_text(yaml.safe_dump(values))
    for name in ("mlflow", "stores", "server"):
        assert published(root, f"host/staging/{name}", DIGESTS[0]) == 0
    pinned = yaml.safe_load((root / "k8s/envs/staging/images.yaml").read_text())
    assert pinned == {"mlflow": {"image": {"digest": DIGESTS[0]}}}


def test_another_environment_of_the_registry_stays_as_it_is(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Publishing for one environment does not move another one that has the same registry."""
    for name in ("staging", "production"):
        (root / f"k8s/envs/{name}/canario.yaml").write_text("registry: host/both\n")
    assert published(root, "host/both/judge", DIGESTS[0]) == 0
    assert list(root.glob("k8s/envs/*/images.yaml")) == [root / "k8s/envs/staging/images.yaml"]
    assert published(root, "host/both/judge", DIGESTS[0], "moon") == 1
    assert "environments are: local, production, staging" in capsys.readouterr().err


def test_a_record_that_is_missing_is_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--env", "staging", "--record", str(root / "none.json"), "--root", str(root)]) == 1
    assert "none.json is not there" in capsys.readouterr().err
