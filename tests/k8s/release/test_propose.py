"""A release is proposed with its image, as one commit, and twice is once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.git.repository import Repository
from components.releases.release_file import release_file
from k8s.release.propose import main
from k8s.rendering.server_settings import checked_release
from tests.repo.tree import ROOT

PACKAGE, FILE = "sha256:" + "ab" * 32, release_file("staging", "churn")
PUBLISHED = "sha256:" + "cd" * 32
IMAGE = {"name": "registry.local/canario/churn", "tag": "abab", "package": PACKAGE, "published": PUBLISHED}
WARNS = """
patches:
  - target: {kind: ValidatingAdmissionPolicyBinding, name: canario-digests}
    patch: "[{op: replace, path: /spec/validationActions, value: [Warn, Audit]}]"
"""
RESULT = {"status": "ok", "message": "", "digest": PACKAGE, "model_version": "7", "metrics": {"roc_auc": 0.8298}}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "environment.git")


def proposed(root: Path, repository: Path, result: dict[str, Any] = RESULT, image: dict[str, Any] = IMAGE) -> int:
    for file, document in {"train/churn/result.json": result, "images/churn.json": image}.items():
        (root / "build" / file).parent.mkdir(parents=True, exist_ok=True)
        (root / "build" / file).write_text(json.dumps(document))
    spec = ROOT / "services" / "churn" / "service.yaml"
    return main(["--spec", str(spec), "--env", "staging", "--repository", str(repository), "--root", str(root)])


def test_the_image_is_in_the_commit(repository: Repository, tmp_path: Path) -> None:
    assert proposed(tmp_path, repository.path) == 0
    release = checked_release(repository.read(FILE) or "", FILE, "churn")
    assert release.image is not None
    assert (release.image.repository, release.image.tag) == ("registry.local/canario/churn", "abab")
    assert release.image.digest == PUBLISHED
    assert (release.version, release.package) == ("7", PACKAGE)
    newest = repository.log()[-1]
    assert newest.subject == "churn: release version 7 to staging"
    assert "roc_auc: 0.8298" in newest.message
    assert proposed(tmp_path, repository.path) == 0
    assert repository.log()[-1] == newest


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        ({"status": "refused", "message": "roc_auc is too low"}, "ended with 'roc_auc is too low'"),
        ({"digest": "sha256:" + "00" * 32}, "the image holds sha256:abab"),
    ],
)
def test_a_version_without_passed_gates_or_image_is_not_proposed(
    repository: Repository,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    result: dict[str, Any],
    sentence: str,
) -> None:
    """A version is not proposed when it did not pass its gates or has no image."""
    assert proposed(tmp_path, repository.path, RESULT | result) == 1
    assert sentence in capsys.readouterr().err
    assert len(repository.log()) == 1


def test_an_image_without_a_digest_only_where_it_may_run(
    repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An image that was pushed nowhere is proposed only where the rule about digests warns."""
    built = {**IMAGE, "published": ""}
    assert proposed(tmp_path, repository.path, image=built) == 1
    said = "churn is in no registry yet; `make publish SERVICE=churn ENV=staging`"
    assert said in capsys.readouterr().err
    assert len(repository.log()) == 1
    repository.write("k8s/envs/staging/configs/kustomization.yaml", WARNS, "only warn")
    assert proposed(tmp_path, repository.path, image=built) == 0


def test_a_repository_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert proposed(tmp_path, tmp_path / "nothing.git") == 1
    assert "not proposed: " in capsys.readouterr().err


def test_a_branch_that_others_hold_is_said(
    repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = repository.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert proposed(tmp_path, repository.path) == 1
    assert "refused the commit 8 times" in capsys.readouterr().err


def test_a_version_there_with_another_package_is_not_proposed(
    repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A version is not proposed when the environment has it with another package."""
    repository.write(FILE, f"service: churn\nversion: '7'\npackage: sha256:{'11' * 32}\n", "release")
    assert proposed(tmp_path, repository.path) == 1
    assert "names version 7 already, with package sha256:1111" in capsys.readouterr().err
    assert repository.log()[-1].subject == "release"
