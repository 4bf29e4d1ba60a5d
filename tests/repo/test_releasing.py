"""A release is of one version, and goes to the registry that it names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.programs import program
from tests.repo.tree import ROOT

VERSIONED = ("pyproject.toml", "helm/canario/Chart.yaml", "helm/model-service/Chart.yaml")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The scripts and the files with a version; all say 1.20.3."""
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    for file in VERSIONED:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        text = re.sub(r'^(version(?: = "|: ))[\d.]+', r"\g<1>1.20.3", (ROOT / file).read_text(), flags=re.MULTILINE)
        assert text.count("1.20.3") == 1, file
        (tmp_path / file).write_text(text)
    return tmp_path


def ran(tree: Path, script: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{tree}:{os.environ['PATH']}", **settings}
    command = [str(tree / ".ci" / script)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_tag_that_is_the_version_of_everything_is_released(tree: Path) -> None:
    assert ran(tree, "release-version", TAG="v1.20.3").returncode == 0


@pytest.mark.parametrize("file", VERSIONED)
def test_a_version_that_is_not_the_tags_is_refused_by_its_file(tree: Path, file: str) -> None:
    (tree / file).write_text((tree / file).read_text().replace("1.20.3", "1.20.2"))
    done = ran(tree, "release-version", TAG="v1.20.3")
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"release-version: {file} has the version 1.20.2 and the tag is v1.20.3; write 1.20.3"
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("tag", ["1.20.3", "v1.20", "v1.20.3-rc1", "v1.20.3;id", ""])
def test_a_tag_of_another_form_is_refused(tree: Path, tag: str) -> None:
    assert ran(tree, "release-version", TAG=tag).returncode == 1


def test_the_registrys_host_is_made_known_to_docker(tree: Path) -> None:
    program(tree, "gcloud", 'printf "%s," "$@"')
    done = ran(tree, "registry-login", REGISTRY="us-central1-docker.pkg.dev/project/canario-staging")
    assert done.stdout == "auth,configure-docker,us-central1-docker.pkg.dev,--quiet,"


@pytest.mark.parametrize("registry", ["", "/folder", "--verbosity=debug/folder", "host name/folder", "a,b/folder"])
def test_what_names_no_host_is_refused(tree: Path, registry: str) -> None:
    program(tree, "gcloud", "echo called")
    done = ran(tree, "registry-login", REGISTRY=registry)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "host/folder" in done.stderr
