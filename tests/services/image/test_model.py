"""`make image` writes to the registry that has the server's image, or a layout; `make publish` brings that to one."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from components.image.image_name import ImageName
from components.image.image_signature import sign_image
from components.image.layout import read_layout
from components.image.layout_folder import LayoutFolder
from components.image.record import BuiltImage, read_record, write_record
from components.image.server import SERVER_LABEL, server_digest, server_tag
from components.package.model_package import Package
from components.package.papers import materials_file
from components.signing.sbom import bill_of_materials
from services.image import model
from services.image.__main__ import main
from services.image.engine import write_archive
from services.image.errors import ImageError
from services.image.publish import publish
from services.model_server.build import LOCK_FILE
from tests.checked_once import check_once
from tests.components.image.server_images import LAYERS, patient_repository, put_server, server_in
from tests.registry import Registry, registry
from tests.signing_keys import write_keys
from tests.small_package import FEATURES, write_small_package

BASE = "python:3.11-slim"


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A package where `make train` leaves it, with the bill of materials of `make sign`."""
    made = write_small_package(tmp_path / "made")
    folder = tmp_path / "out" / "store" / "packages" / made.digest.removeprefix("sha256:")
    kept = write_small_package(folder)
    materials_file(kept.path).write_text(bill_of_materials(kept, LOCK_FILE))
    return kept


@pytest.fixture(autouse=True)
def checked_once(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is checked by the first test that writes its image."""
    check_once(tmp_path_factory, monkeypatch, model)


@pytest.fixture(autouse=True)
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("CANARIO_BASE_IMAGE", BASE)


@pytest.fixture
def there() -> Iterator[Registry]:
    with registry(tags_move=False) as started:
        yield started


def make_image(folder: Path, package: Package, *more: str) -> int:
    features = {key: feature.model_dump(mode="json") for key, feature in FEATURES.items()}
    document = {"name": "small", "data": {"uri": "t.csv", "target": "left", "positive": "Yes"}, "features": features}
    (folder / "service.yaml").write_text(yaml.safe_dump(document))
    out = ["--out", str(folder / "out")]
    return main(["--spec", str(folder / "service.yaml"), "--package", str(package.path), *out, *more])


def base_layout(folder: Path) -> None:
    labels = {SERVER_LABEL: server_digest(), "org.opencontainers.image.base.name": BASE}
    put_server(LayoutFolder(folder), server_tag(), User="1034:1034", Labels=labels)


def test_with_the_base_in_the_registry_no_engine_is_needed(tmp_path: Path, there: Registry, package: Package) -> None:
    server_in(there.address)
    assert make_image(tmp_path, package, "--name", f"{there.address}/canario/small") == 0
    record = tmp_path / "out" / "images" / "small.json"
    built = read_record(record)
    kept = there.kept("canario/small")
    assert kept.tags == {built.tag: built.digest}
    assert (built.package, built.published) == (package.digest, "")
    key = write_keys(tmp_path / "keys").private
    for _ in range(2):
        assert publish(record, tmp_path / "out", key) == f"{there.address}/canario/small@{built.digest}"
        assert read_record(record).published == built.digest
    assert len(kept.tags) == 3  # the image, its signature and its attestation


def test_without_a_registry_it_is_a_layout(
    tmp_path: Path, package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "out" / "images"
    base_layout(images / "server")
    assert make_image(tmp_path, package) == 0
    said = capsys.readouterr().out
    assert "no engine answers here, so the image is in no engine's store" in said
    built, layout = read_record(images / "small.json"), read_layout(images / "small")
    assert (layout.manifest, layout.config) == (built.digest, built.id)
    assert built.base == f"registry.local/canario/server:{server_tag()}"
    assert layout.contents(lambda name: name.endswith("model.onnx")) == {
        "app/bento/src/package/model.onnx": (package.path / "model.onnx").read_bytes()
    }


def test_a_layout_is_published_with_the_servers_layers(tmp_path: Path, there: Registry, package: Package) -> None:
    images = tmp_path / "out" / "images"
    base_layout(images / "server")
    assert make_image(tmp_path, package, "--name", f"{there.address}/models/small") == 0
    built = read_record(images / "small.json")
    assert there.kept("models/small").tags == {}
    publish(images / "small.json", tmp_path / "out", write_keys(tmp_path / "keys").private)
    assert there.kept("models/small").tags[built.tag] == built.digest == read_record(images / "small.json").published


def test_a_program_that_is_there_is_published_once_more(tmp_path: Path, there: Registry) -> None:
    """No engine pushes again what the registry has, where a tag that is pushed twice may be refused."""
    record, key = program_record(tmp_path, there, "1", "1"), write_keys(tmp_path / "keys").private
    for _ in range(2):
        reference = publish(record, tmp_path, key)
        assert reference == f"{there.address}/canario/judge@{read_record(record).published}"
    program_record(tmp_path, there, "2", "2")
    assert publish(record, tmp_path, key) != reference, "another build has another tag"


def test_of_two_builds_under_one_tag_only_a_signed_one_is_taken(tmp_path: Path, there: Registry) -> None:
    """The tag of a server names its sources, and its bytes may differ; who signs vouches for what was built here."""
    record, key = program_record(tmp_path, there, "1", "another build"), write_keys(tmp_path / "keys").private
    with pytest.raises(ImageError, match=r"judge:1 is in its registry as sha256:.* with other bytes .* never moves"):
        publish(record, tmp_path, key)
    manifest = there.kept("canario/judge").tags["1"]
    sign_image(ImageName.parse(f"{there.address}/canario/judge@{manifest}"), key)
    assert publish(record, tmp_path, key).endswith(manifest)
    with pytest.raises(ImageError, match="no signature by this key"):
        publish(record, tmp_path, write_keys(tmp_path / "other").private)


def program_record(folder: Path, there: Registry, tag: str, made: str) -> Path:
    """The record of a program that was built as the same image as `made`, if that is its tag; `made` is pushed."""
    name = f"{there.address}/canario/judge"
    put_server(patient_repository(name), tag, made)
    mine = put_server(LayoutFolder(folder / made), tag, tag).document["config"]["digest"]
    image = BuiltImage(name=name, tag=tag, id=mine, package=None)
    return write_record(folder / "images", image)


def test_an_old_or_other_base_is_not_taken(
    tmp_path: Path, package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out" / "images" / "server"
    for labels in (
        {SERVER_LABEL: "sha256:" + "0" * 64, "org.opencontainers.image.base.name": BASE},
        {SERVER_LABEL: server_digest(), "org.opencontainers.image.base.name": "python:3.11"},
    ):
        put_server(LayoutFolder(folder), server_tag(), User="1034:1034", Labels=labels)
        assert make_image(tmp_path, package) == 1
        assert "and nothing builds it here: no engine" in capsys.readouterr().err


def test_docker_finds_every_part_of_a_layouts_archive(tmp_path: Path, package: Package) -> None:
    """The archive has what `docker save` writes, for Dockers that know layouts and for those that do not."""
    put_server(LayoutFolder(tmp_path / "server"), "1")
    write_archive(tmp_path / "server", "registry.local/canario/server:1", tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as archive:
        names = set(archive.getnames())
        member = archive.extractfile("manifest.json")
        assert member
        (listed,) = json.load(member)
    assert {"oci-layout", "index.json", listed["Config"], *listed["Layers"]} <= names
    assert listed["RepoTags"] == ["registry.local/canario/server:1"]
    assert len(listed["Layers"]) == len(LAYERS)
