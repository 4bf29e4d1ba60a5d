"""An engine is chosen when it answers, and every build gets what makes it repeatable."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.image.engine import Engine, _buildah_stored, _docker_stored, find_engine
from services.image.errors import EngineError


def _program(folder: Path, name: str, status: int) -> None:
    (folder / name).write_text(f"#!/bin/sh\nexit {status}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_a_client_without_its_daemon_is_no_engine(programs: Path) -> None:
    _program(programs, "docker", 1)
    _program(programs, "buildah", 0)
    assert find_engine(programs / "log", {}).name == "buildah"


def test_the_first_that_answers_is_taken_unless_one_is_named(programs: Path) -> None:
    for name in ("docker", "podman", "buildah"):
        _program(programs, name, 0)
    assert find_engine(programs / "log", {}).name == "docker"
    assert find_engine(programs / "log", {"CANARIO_ENGINE": "podman"}).name == "podman"


def test_without_an_engine_it_says_what_to_install(programs: Path) -> None:
    _program(programs, "podman", 125)
    with pytest.raises(EngineError, match=r"asked: docker, podman, buildah.*apt-get install buildah"):
        find_engine(programs / "log", {})


def test_a_named_engine_is_not_replaced_when_it_does_not_answer(programs: Path) -> None:
    """An engine that is named is not replaced by another when it does not answer."""
    _program(programs, "docker", 0)
    with pytest.raises(EngineError, match=r"asked: podman\)"):
        find_engine(programs / "log", {"CANARIO_ENGINE": "podman"})


def test_an_unknown_engine_is_refused(programs: Path) -> None:
    with pytest.raises(EngineError, match="'kaniko' is no engine; allowed: docker, podman, buildah"):
        find_engine(programs / "log", {"CANARIO_ENGINE": "kaniko"})


def test_a_build_is_given_time_labels_and_the_machines_options(programs: Path) -> None:
    """Every build is given its time, its labels and the machine's options."""
    _program(programs, "buildah", 0)
    environment = {"CANARIO_BUILD_OPTIONS": "--network=host --volume='/a b:/c'"}
    options = find_engine(programs / "log", environment).build_options({"BASE": "x"}, {"a.b": "c d"})
    assert options == [
        "--layers",
        "--timestamp=315532800",
        "--platform=linux/amd64",
        "--build-arg=BASE=x",
        "--label=a.b=c d",
        "--network=host",
        "--volume=/a b:/c",
    ]
    docker = Engine("docker", (), programs / "log").build_options({}, {})
    assert docker == ["--build-arg=SOURCE_DATE_EPOCH=315532800", "--provenance=false", "--platform=linux/amd64"]


def test_images_are_for_the_nodes_and_not_for_the_builder(programs: Path) -> None:
    """Images are built for, and their base is pulled for, the platform that is said, whatever machine builds them."""
    told = programs / "told"
    # The program has no image, as its first answer says, and takes what it is then told to pull.
    (programs / "docker").write_text(f'#!/bin/sh\necho "$*" >> {told}\n[ "$1" != image ]\n')
    (programs / "docker").chmod(0o755)
    for platform, said in (("linux/amd64", {}), ("linux/arm64", {"CANARIO_PLATFORM": "linux/arm64"})):
        engine = find_engine(programs / "log", {"CANARIO_ENGINE": "docker", **said})
        assert f"--platform={platform}" in engine.build_options({}, {})
        engine.pull("python:3.11-slim")
        assert told.read_text().splitlines()[-1] == f"pull --platform={platform} python:3.11-slim"
    with pytest.raises(EngineError, match="'arm' is no platform; allowed: linux/amd64, linux/arm64"):
        find_engine(programs / "log", {"CANARIO_PLATFORM": "arm"})


def test_a_build_that_fails_shows_the_end_of_its_log(programs: Path) -> None:
    (programs / "buildah").write_text("#!/bin/sh\necho no space left\nexit 3\n")
    (programs / "buildah").chmod(0o755)
    with pytest.raises(EngineError, match=r"buildah ended with 3(.|\n)*no space left"):
        Engine("buildah", (), programs / "logs" / "log").build(programs, programs / "file", "tag", ())


def test_what_buildah_knows_is_read() -> None:
    document = {
        "FromImageDigest": "sha256:1",
        "FromImageID": "7",
        "Manifest": '{"layers": [{"size": 200}, {"size": 30}]}',
        "OCIv1": {"config": {"Labels": {"a": "b"}}},
    }
    stored = _buildah_stored(document)
    assert stored.id == "sha256:7"
    assert (stored.digest, stored.size_bytes, stored.labels) == ("sha256:1", 230, {"a": "b"})


@pytest.mark.parametrize(
    ("document", "digest"),
    [
        ({"Id": "sha256:2", "Size": 7, "Config": {"Labels": None}}, "sha256:2"),  # docker
        ({"Id": "2", "Digest": "sha256:3", "Size": 7, "Config": {}}, "sha256:3"),  # podman
    ],
)
def test_what_docker_and_podman_know_is_read(document: dict[str, object], digest: str) -> None:
    stored = _docker_stored(document)
    assert (stored.digest, stored.size_bytes, stored.labels) == (digest, 7, {})


@pytest.mark.parametrize(
    ("image", "plain"), [("images.lan:5000/team/churn:1", True), ("images.example.com/team/churn:1", False)]
)
def test_only_a_listed_registry_is_pushed_to_without_tls(
    programs: Path, monkeypatch: pytest.MonkeyPatch, image: str, plain: bool
) -> None:
    monkeypatch.setenv("CANARIO_INSECURE_REGISTRIES", "images.lan:5000")
    pushed = 'for word; do [ "$before" = --digestfile ] && echo sha256:1 > "$word"; before=$word; done'
    (programs / "buildah").write_text(f'#!/bin/sh\necho "$*" > {programs}/told\n{pushed}\n')
    (programs / "buildah").chmod(0o755)
    assert Engine("buildah", (), programs / "log").push(image) == "sha256:1"
    assert ("--tls-verify=false" in (programs / "told").read_text()) is plain
