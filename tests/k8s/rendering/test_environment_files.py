"""An environment's files, and the values that they make of a spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.releases.release_file import Image, ShadowVersion, release_text
from components.spec.contract import NumberFeature, Rollout, Scale, Spec
from k8s.errors import EnvironmentFileError
from k8s.rendering.environment_files import (
    ClusterRelease,
    Platform,
    built_release,
    chart_values,
    check_version_is_free,
    merged,
    read_platform,
    read_release,
)
from k8s.rendering.server_settings import checked_release
from k8s.rendering.values import Values
from tests.repo.tree import ROOT

DIGEST = "sha256:" + "01" * 32
IMAGE = Image(repository="registry.local/canario/small", tag="010101010101")
RELEASE = ClusterRelease(service="small", version="3", package=DIGEST, image=IMAGE, settings={"CANARIO_WORKERS": "2"})


def small_spec(scale: Scale | None = None) -> Spec:
    return Spec.model_validate(
        {
            "name": "small",
            "data": {"uri": "t.csv", "target": "left", "positive": "Yes"},
            "features": {"tenure": NumberFeature(type="number", min=0, max=9)},
            "rollout": Rollout(interval_seconds=30),
            "scale": scale or Scale(min=2, max=10),
        }
    )


def written(folder: Path, text: str) -> Path:
    path = folder / "local" / "platform.yaml"
    path.parent.mkdir()
    path.write_text(text)
    return path


def test_values_are_the_spec_the_release_and_the_host() -> None:
    values = chart_values(small_spec(), RELEASE, Platform(domain="example.com"))
    assert values["name"] == "small"
    assert values["scale"] == {"min": 2, "max": 10, "cpu_percent": 70}
    assert values["rollout"]["interval_seconds"] == 30
    assert values["objectives"] == {"availability": 0.999, "latency_p99_ms": 50}
    assert (values["version"], values["package"]) == ("3", DIGEST)
    assert values["image"]["tag"] == "010101010101"
    assert values["settings"] == {"CANARIO_WORKERS": "2"}
    assert values["route"] == {"host": "small.example.com", "gateway": {"listener": "websecure"}}
    assert not {"features", "data", "training", "gates"} & set(values)
    Values.model_validate(values)


@pytest.mark.parametrize(
    ("most", "expected"), [(3, (2, 3)), (1, (1, 1)), (10, (2, 10)), (50, (2, 10)), (None, (2, 10))]
)
def test_replicas_are_capped_and_never_raised(most: int | None, expected: tuple[int, int]) -> None:
    values = chart_values(small_spec(), RELEASE, Platform(domain="example.com", max_replicas=most))
    assert (values["scale"]["min"], values["scale"]["max"]) == expected


def test_an_environment_may_look_more_often() -> None:
    values = chart_values(small_spec(), RELEASE, Platform(domain="example.com", interval_seconds=10))
    assert values["rollout"]["interval_seconds"] == 10
    assert values["rollout"]["deadline_minutes"] == 60


def test_other_values_are_put_in_mapping_by_mapping() -> None:
    platform = Platform(domain="example.com", values={"route": {"gateway": {"name": "inner"}}, "pool": "fast"})
    values = chart_values(small_spec(), RELEASE, platform)
    assert values["route"] == {"host": "small.example.com", "gateway": {"name": "inner"}}
    assert values["pool"] == "fast"


@pytest.mark.parametrize(
    ("gateway", "listener"),
    [
        ({}, "websecure"),
        ({"certificate": "none"}, "web"),
        ({"certificate": "secret"}, "websecure"),
        ({"http": "served"}, ""),
    ],
)
def test_a_service_attaches_to_one_listener(gateway: dict[str, str], listener: str) -> None:
    platform = Platform.model_validate({"domain": "example.com", "gateway": gateway})
    route = chart_values(small_spec(), RELEASE, platform)["route"]
    assert route == {"host": "small.example.com", "gateway": {"listener": listener}}


def test_a_gateway_of_ones_own_is_left_alone() -> None:
    """Its listeners have names of their own, so none is chosen, and nothing is made."""
    own = Platform.model_validate({"domain": "example.com", "values": {"route": {"gateway": {"name": "inner"}}}})
    assert own.has_own_gateway
    assert chart_values(small_spec(), RELEASE, own)["route"]["gateway"] == {"name": "inner"}
    named = Platform.model_validate({"domain": "example.com", "values": {"route": {"gateway": {"name": "public"}}}})
    assert not named.has_own_gateway


FAULTS = {"CANARIO_FAULT_ERROR_RATIO": "0.05"}
SHADOW = ShadowVersion(version="4", package=DIGEST, image=IMAGE, settings=FAULTS)


@pytest.mark.parametrize("faked", [{"settings": FAULTS}, {"candidate": SHADOW}], ids=["version", "shadow version"])
@pytest.mark.parametrize("path", sorted(ROOT.glob("k8s/envs/*/platform.yaml")), ids=lambda path: path.parent.name)
def test_only_local_lets_a_release_fake_a_fault(path: Path, faked: dict[str, Any]) -> None:
    release, platform = RELEASE.model_copy(update=faked), read_platform(path)
    if path.parent.name == "local":
        assert chart_values(small_spec(), release, platform)["faults"] == "allowed"
    else:
        with pytest.raises(EnvironmentFileError, match="CANARIO_FAULT_ERROR_RATIO fakes a fault, which this"):
            chart_values(small_spec(), release, platform)
    chart_values(small_spec(), RELEASE, platform)


def test_merging_changes_neither_side() -> None:
    values, differences = {"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 3}, "d": [2]}
    assert merged(values, differences) == {"a": {"b": 3, "c": 2}, "d": [2]}
    assert values == {"a": {"b": 1, "c": 2}, "d": [1]}
    assert differences == {"a": {"b": 3}, "d": [2]}


@pytest.mark.parametrize("path", sorted(ROOT.glob("k8s/envs/*/platform.yaml")), ids=lambda path: path.parent.name)
def test_every_environment_can_be_read_and_is_short(path: Path) -> None:
    values = chart_values(small_spec(), RELEASE, read_platform(path))
    assert Values.model_validate(values).route.host.startswith("small.")
    assert len(path.read_text().splitlines()) <= 12


def test_environments_have_hosts_of_their_own() -> None:
    domains = [read_platform(path).domain for path in ROOT.glob("k8s/envs/*/platform.yaml")]
    assert len(set(domains)) == len(domains) >= 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("domain: example.com\nreplicas: 3\n", "replicas: Extra inputs"),
        ("{}\n", "domain: Field required"),
        ("domain: Example_\n", "domain: String should match"),
        ("domain: example.com\nvalues: {scale: {max: 9}}\n", "values.scale is decided by the spec or the release"),
        ("domain: example.com\ndomain: example.org\n", "stands twice"),
        ("- a\n", "Input should be"),
    ],
)
def test_a_platform_that_is_wrong_is_refused_by_key(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(EnvironmentFileError, match=sentence):
        read_platform(written(tmp_path, text))


def test_an_environment_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    written(tmp_path, "domain: example.com\n")
    with pytest.raises(EnvironmentFileError, match="environments are: local"):
        read_platform(tmp_path / "lokal" / "platform.yaml")


def test_a_release_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(release_text(RELEASE))
    assert read_release(path, "small") == RELEASE


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"{{service: small, version: '1', package: '{DIGEST}'}}", "image: Field required"),
        (release_text(RELEASE).replace("small", "large"), "'large' is another service"),
        (release_text(RELEASE) + "replicas: 3\n", "replicas: unknown key; allowed: .*image"),
        (release_text(RELEASE).replace("CANARIO_WORKERS", "CANARIO_WORKER"), "did you mean CANARIO_WORKERS"),
    ],
)
def test_a_release_that_is_wrong_is_refused_by_key(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(text)
    with pytest.raises(EnvironmentFileError, match=sentence):
        read_release(path, "small")


def test_a_release_without_an_image_is_still_one_for_the_twin() -> None:
    release = checked_release(f"{{service: small, version: '1', package: '{DIGEST}'}}", "small.yaml", "small")
    assert release.version == "1"


def test_what_was_built_last_becomes_a_release(tmp_path: Path) -> None:
    record = tmp_path / "small.json"
    record.write_text(json.dumps({"name": IMAGE.repository, "tag": IMAGE.tag, "package": DIGEST, "size": 5}))
    expected = ClusterRelease(service="small", version="7", package=DIGEST, image=IMAGE)
    assert built_release(record, "small", "7") == expected


@pytest.mark.parametrize(("text", "word"), [(None, "is not there"), ("{}", "is broken"), ("no", "is broken")])
def test_without_a_built_image_the_next_step_is_named(tmp_path: Path, text: str | None, word: str) -> None:
    record = tmp_path / "small.json"
    if text is not None:
        record.write_text(text)
    with pytest.raises(EnvironmentFileError, match=f"{word}; `make image SERVICE=small`"):
        built_release(record, "small", "1")


def test_a_version_stays_with_its_package(tmp_path: Path) -> None:
    file, another = tmp_path / "small.yaml", "sha256:" + "02" * 32
    check_version_is_free(file, RELEASE)
    tried = ShadowVersion(version="4", package=another, image=IMAGE)
    file.write_text(release_text(RELEASE.model_copy(update={"candidate": tried})))
    check_version_is_free(file, RELEASE)
    check_version_is_free(file, RELEASE.model_copy(update={"version": "4", "package": another}))
    check_version_is_free(file, RELEASE.model_copy(update={"version": "5", "package": another}))
    with pytest.raises(EnvironmentFileError, match=r"small.yaml names version 3 already, with package sha256:0101"):
        check_version_is_free(file, RELEASE.model_copy(update={"package": another}))
    with pytest.raises(EnvironmentFileError, match=r"names version 4 already, with package sha256:0202"):
        check_version_is_free(file, RELEASE.model_copy(update={"version": "4"}))
