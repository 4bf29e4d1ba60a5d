"""A published program is run by its digest where its registry is an environment's, and a made-up tag is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from components.image.record import BuiltImage, write_record
from k8s.errors import EnvironmentFileError
from k8s.platform.pins import check_pinned, main
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


def published(root: Path, name: str, digest: str) -> int:
    record = write_record(root / "images", BuiltImage(name=name, tag="1", package=None, published=digest))
    return main(["--record", str(record), "--root", str(root)])


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


def test_a_record_that_is_missing_is_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--record", str(root / "none.json"), "--root", str(root)]) == 1
    assert "none.json is not there" in capsys.readouterr().err


def test_a_tag_that_no_registry_has_is_refused() -> None:
    check_pinned(["registry.local/canario/judge:0.1.0", f"host/staging/judge@{DIGESTS[0]}", "host/staging/judge:1.2"])
    with pytest.raises(EnvironmentFileError, match=r"has no digest, .* `make publish PART=judge` writes the digest"):
        check_pinned(["host/staging/judge:0.1.0"])


def test_a_copy_of_a_public_image_keeps_its_tag() -> None:
    """Alertmanager's image is nobody's here: whoever has a copy of it in a registry has it under its own tag."""
    public = yaml.safe_load((ROOT / "helm/canario/values.yaml").read_text())["alertmanager"]["image"]
    check_pinned([f"{public['repository']}:{public['tag']}", f"host/mirror/alertmanager:{public['tag']}"])
