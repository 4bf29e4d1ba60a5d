"""What Flux is told agrees with what it is made from."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from k8s.platform.controllers import read_controllers
from k8s.platform.flux import FILE, text
from k8s.rendering.render import followed
from tests.repo.tree import ROOT

ENVIRONMENTS = followed(ROOT)
SYNC = {one["metadata"]["name"]: one for one in yaml.safe_load_all((ROOT / "k8s/flux/sync.yaml").read_text())}
SOURCE = yaml.safe_load((ROOT / "k8s/flux/source.yaml").read_text())


def overlay(environment: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / f"k8s/envs/{environment}/flux/kustomization.yaml").read_text())
    return document


def test_the_controllers_are_those_of_the_list() -> None:
    assert FILE.read_text(encoding="utf-8") == text(read_controllers())
    releases = [one for one in yaml.safe_load_all(FILE.read_text()) if one["kind"] == "HelmRelease"]
    assert [one["metadata"]["name"] for one in releases] == ["traefik", "prometheus", "flagger", "kyverno"]


def test_first_controllers_then_configs_then_workloads() -> None:
    before = {name: [one["name"] for one in sync["spec"].get("dependsOn", ())] for name, sync in SYNC.items()}
    assert before == {
        "canario-controllers": [],
        "canario-configs": ["canario-controllers"],
        "canario-workloads": ["canario-configs"],
    }
    assert {sync["spec"]["sourceRef"]["name"] for sync in SYNC.values()} == {SOURCE["metadata"]["name"]}


def test_only_workloads_are_pruned_and_no_revert_waits() -> None:
    """Flux prunes only the workloads, and no revert waits for a rollout."""
    pruned = {name: sync["spec"]["prune"] for name, sync in SYNC.items()}
    assert pruned == {"canario-controllers": False, "canario-configs": False, "canario-workloads": True}
    assert SYNC["canario-workloads"]["spec"]["wait"] is False


def test_the_clouds_environments_are_followed() -> None:
    assert ENVIRONMENTS == ["production", "staging"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_is_its_own_folders(environment: str) -> None:
    paths = {one["target"]["name"]: yaml.safe_load(one["patch"])[0] for one in overlay(environment)["patches"]}
    wanted = {"canario-configs": "configs", "canario-workloads": "rendered"}
    assert {name: patch["value"] for name, patch in paths.items()} == {
        name: f"./k8s/envs/{environment}/{folder}" for name, folder in wanted.items()
    }
    for name, patch in paths.items():
        path = patch["value"].replace(f"/{environment}/", "/ENVIRONMENT/")
        assert SYNC[name]["spec"]["path"] == path
        assert patch == {"op": "replace", "path": "/spec/path", "value": patch["value"]}
        assert (ROOT / patch["value"]).is_dir()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_judge_reverts_where_flux_reads(environment: str) -> None:
    differences = yaml.safe_load((ROOT / f"k8s/envs/{environment}/canario.yaml").read_text())
    assert differences["environment"]["url"] == SOURCE["spec"]["url"]
