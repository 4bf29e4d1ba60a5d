"""What a training's pull request says, and what is never asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.release.pull_request import main
from tests.repo.tree import ROOT

PACKAGE, PUBLISHED = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
IMAGE = {"name": "registry.example/models/churn", "tag": "abab", "package": PACKAGE, "published": PUBLISHED}
RESULT = {
    "status": "ok", "message": "", "digest": PACKAGE, "model_version": "7", "champion": "churn version 6",
    "snapshot": {"digest": "sha256:" + "ef" * 32, "rows": 7043}, "metrics": {"roc_auc": 0.8298},
}  # fmt: skip


def asked(root: Path, result: dict[str, Any], image: dict[str, Any] | None) -> int:
    (root / "build" / "train" / "churn").mkdir(parents=True)
    (root / "build" / "train" / "churn" / "result.json").write_text(json.dumps(result))
    (root / "build" / "images").mkdir()
    if image is not None:
        (root / "build" / "images" / "churn.json").write_text(json.dumps(image))
    spec = ROOT / "services" / "churn" / "service.yaml"
    options = ["--env", "staging", "--reason", "the data of churn changed", "--out", str(root / "out")]
    return main(["--spec", str(spec), *options, "--root", str(root)])


def test_it_names_the_digests_and_says_why(tmp_path: Path) -> None:
    assert asked(tmp_path, RESULT, IMAGE) == 0
    release = yaml.safe_load((tmp_path / "k8s" / "envs" / "staging" / "churn.yaml").read_text())
    assert release["image"] == {"repository": "registry.example/models/churn", "tag": "abab", "digest": PUBLISHED}
    assert (release["service"], release["version"], release["package"]) == ("churn", "7", PACKAGE)
    said = {name: (tmp_path / "out" / name).read_text() for name in ("branch", "title", "body.md")}
    assert said["branch"] == f"release/staging/churn-7-{'ab' * 6}\n"
    assert said["title"] == "churn: release version 7 to staging\n"
    for words in ("because the data of churn changed", PACKAGE, "7043 rows", "churn version 6", "| roc_auc | 0.8298 |"):
        assert words in said["body.md"]


@pytest.mark.parametrize(
    ("result", "image", "message"),
    [
        ({"status": "refused", "message": "roc_auc is too low"}, {}, "ended with 'roc_auc is too low'"),
        ({"digest": "sha256:" + "00" * 32}, {}, "the image holds sha256:abab"),
        ({}, {"published": ""}, "is in no registry yet; `make publish SERVICE=churn ENV=staging`"),
        ({}, {"published": "latest"}, "is broken"),
        ({}, None, "is not there; `make image SERVICE=churn` writes it"),
    ],
)
def test_what_is_not_asked_for_leaves_no_file(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    result: dict[str, Any],
    image: dict[str, Any] | None,
    message: str,
) -> None:
    assert asked(tmp_path, RESULT | result, None if image is None else IMAGE | image) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "k8s").exists()
    assert not (tmp_path / "out").exists()


def test_a_version_there_with_another_package_is_not_requested(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A version is not asked for when the environment has it with another package."""
    file = tmp_path / "k8s" / "envs" / "staging" / "churn.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(before := f"service: churn\nversion: '7'\npackage: sha256:{'11' * 32}\n")
    assert asked(tmp_path, RESULT, IMAGE) == 1
    assert "names version 7 already, with package sha256:1111" in capsys.readouterr().err
    assert file.read_text() == before
    assert not (tmp_path / "out").exists()
