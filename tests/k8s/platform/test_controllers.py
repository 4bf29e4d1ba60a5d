"""Which controllers are installed, and that their releases are pinned."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from k8s.errors import EnvironmentFileError
from k8s.platform.controllers import Found, missing, read_controllers, version_key

NEEDED = ["gateway-api", "traefik", "metrics-server", "prometheus", "flagger", "kyverno"]
EVERYTHING = Found(
    frozenset(
        {
            "tlsroutes.gateway.networking.k8s.io",
            "canaries.flagger.app",
            "imagevalidatingpolicies.policies.kyverno.io",
        }
    ),
    frozenset({"traefik", "metrics-server", "prometheus", "flagger", "kyverno-admission-controller", "shop"}),
    bundles={"tlsroutes.gateway.networking.k8s.io": "v1.6.3"},
)


def names(found: Found, *asked: str) -> list[str]:
    return [controller.name for controller in missing(read_controllers(), found, asked)]


def test_an_empty_cluster_gets_what_is_needed_in_order() -> None:
    assert names(Found(frozenset(), frozenset())) == NEEDED


def test_a_local_cluster_needs_nobody_who_checks_signatures() -> None:
    found = missing(read_controllers(), Found(frozenset(), frozenset()), (), local=True)
    assert [controller.name for controller in found] == NEEDED[:-1]


def test_what_is_there_is_left_alone() -> None:
    assert names(EVERYTHING) == []


def test_a_clouds_own_add_on_is_one_too() -> None:
    deployments = EVERYTHING.deployments - {"metrics-server"}
    assert names(replace(EVERYTHING, deployments=deployments | {"metrics-server-v1.33.0"})) == []
    assert names(replace(EVERYTHING, deployments=deployments | {"metrics-server-exporter"})) == ["metrics-server"]


@pytest.mark.parametrize(
    ("version", "lacking"),
    [("v1.6.3", []), ("v1.5.0", []), ("v1.10.0", []), ("v1.4.9", ["gateway-api"]), ("", ["gateway-api"])],
)
def test_a_gateway_api_of_anybody_is_taken_if_it_is_new_enough(version: str, lacking: list[str]) -> None:
    assert names(replace(EVERYTHING, bundles={"tlsroutes.gateway.networking.k8s.io": version})) == lacking


def test_definitions_without_their_controller_are_not_enough() -> None:
    assert names(replace(EVERYTHING, deployments=EVERYTHING.deployments - {"flagger"})) == ["flagger"]


def test_the_wreck_of_an_installation_is_no_controller() -> None:
    for state in ("failed", "pending-install", "uninstalling"):
        assert names(replace(EVERYTHING, releases={"gateway/traefik": state})) == ["traefik"]
    states = {"gateway/traefik": "deployed", "elsewhere/traefik": "failed", "keda/keda": "failed"}
    assert names(replace(EVERYTHING, releases=states)) == []


def test_more_is_installed_when_it_is_asked_for() -> None:
    assert names(EVERYTHING, "flux", "keda") == ["keda", "flux"]
    assert names(replace(EVERYTHING, crds=EVERYTHING.crds | {"scaledobjects.keda.sh"}), "keda") == []


def test_one_that_is_not_known_is_said() -> None:
    with pytest.raises(EnvironmentFileError, match="no controller 'istio'; there are gateway-api, traefik"):
        names(EVERYTHING, "istio")


def test_every_release_is_pinned() -> None:
    for controller in read_controllers():
        for address in (*controller.manifests, *controller.kustomizations):
            assert re.search(r"/v?\d+\.\d+\.\d+/|\?ref=v?\d+\.\d+\.\d+$", address), address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{name: a, needed: true, found_by: {crd: b}}", "give manifests, kustomizations or a chart"),
        ("{name: a, needed: true, found_by: {}, manifests: [b]}", "name a crd or a deployment"),
        ("{name: a, needed: true, found_by: {crd: b}, manifests: [b], namespace: c}", "manifests bring their own"),
        ("{name: a, needed: true, found_by: {crd: b}, manifest: [b]}", "manifest: Extra inputs"),
        (
            "{name: a, needed: true, found_by: {crd: b}, kustomizations: [b], local_patches: [{patch: c}]}",
            "local_patches are of manifests; a chart has local_values",
        ),
        (
            "{name: a, needed: true, found_by: {crd: b}, namespace: c,"
            " chart: {repository: 'https://x', name: a, version: 1.x}}",
            "version: String should match pattern",
        ),
    ],
)
def test_a_wrong_file_is_said(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "controllers.yaml").write_text(f"controllers:\n  - {text}\n", encoding="utf-8")
    with pytest.raises(EnvironmentFileError) as caught:
        read_controllers(tmp_path / "controllers.yaml")
    assert words in str(caught.value)


def test_each_controller_names_one_version() -> None:
    found = {controller.name: controller.version for controller in read_controllers()}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in found.values())
    assert (found["gateway-api"], found["traefik"]) == ("1.6.3", "42.3.0")


def test_an_upgrade_starts_at_an_older_version_than_it_ends() -> None:
    for controller in read_controllers():
        assert version_key(controller.oldest or "0") < version_key(controller.version), controller.name
