"""What Flux is given is valid, by the definitions of its controllers and of Kubernetes."""

from __future__ import annotations

import subprocess

import pytest

from k8s.rendering.render import followed
from tests.helm.charts import invalid
from tests.repo.tree import ROOT

pytestmark = pytest.mark.charts

ENVIRONMENTS = followed(ROOT)


def built(folder: str) -> str:
    """What Flux makes of a folder before it applies it."""
    command = ["kubectl", "kustomize", str(ROOT / folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("folder", ["flux", "configs"])
def test_an_environments_folders_are_valid(environment: str, folder: str) -> None:
    assert invalid(built(f"k8s/envs/{environment}/{folder}")) == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_is_rendered_is_valid(environment: str) -> None:
    files = sorted((ROOT / "k8s" / "envs" / environment / "rendered").glob("*.yaml"))
    assert files
    for file in files:
        assert invalid(file.read_text(encoding="utf-8")) == [], file


def test_the_controllers_are_valid() -> None:
    assert invalid((ROOT / "k8s/flux/controllers/releases.yaml").read_text(encoding="utf-8")) == []


def test_what_is_not_valid_is_seen() -> None:
    text = built("k8s/envs/staging/flux")
    assert len(invalid(text.replace("sourceRef:", "sourceref:"))) == 3
    assert len(invalid(text.replace("interval: 1m", "interval: soon"))) == 1
