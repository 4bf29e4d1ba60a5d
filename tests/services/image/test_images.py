"""Real images from a real engine: good ones get their name, and no other does."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest

from components.image.record import BuiltImage
from components.image.server import server_digest, server_tag
from components.package.model_package import Package
from services.image.engine import Engine, find_engine
from services.image.errors import EngineError, RefusedImage
from services.image.model import ImageWork, write_model_image
from services.image.program import PROGRAMS, program_image
from services.image.recipe import SERVER_LIMIT_MB, ImagePlan, base_image, fetch_base, make
from services.image.server import server_image
from tests.small_package import write_small_package

pytestmark = [pytest.mark.images, pytest.mark.timeout(900)]

REGISTRY = f"registry.local/canario-test-{os.getpid()}"
#: What one file of a layer is, but for its times.
Content = tuple[bytes, int, int, int, str, str]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    engine = find_engine(tmp_path_factory.mktemp("logs") / "engine.log")
    fetch_base(engine, base_image(None))
    return engine


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return write_small_package(tmp_path_factory.mktemp("packages") / "small")


@pytest.fixture(scope="module")
def server(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltImage]:
    image = server_image(f"{REGISTRY}/server", base_image(None), engine, tmp_path_factory.mktemp("bento"), print)
    yield image
    engine.remove(_full(image))


@pytest.fixture(scope="module")
def built(
    engine: Engine, server: BuiltImage, package: Package, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BuiltImage]:
    """The image of the small package, on the server's, in the engine's store; its layout is `images/small`."""
    assert server.tag == server_tag()
    image = write_model_image(package, _work("small", tmp_path_factory.mktemp("out")))
    yield image
    engine.remove(_full(image))


def _work(name: str, out: Path) -> ImageWork:
    return ImageWork(f"{REGISTRY}/{name}", base_image(None), out, print)


def _full(image: BuiltImage) -> str:
    return f"{image.name}:{image.tag}"


def test_the_servers_image_is_small_and_names_its_server(engine: Engine, server: BuiltImage) -> None:
    assert server.package is None
    assert 100 * 10**6 < server.size_bytes <= SERVER_LIMIT_MB * 10**6
    assert engine.stored(_full(server)).labels["canario.server"] == server_digest()


def test_a_models_image_is_one_layer_and_names_its_package(
    engine: Engine, server: BuiltImage, built: BuiltImage, package: Package
) -> None:
    assert built.package == package.digest
    assert built.tag.startswith(package.digest.removeprefix("sha256:")[:12])
    assert built.size_bytes < 10**6
    stored = engine.stored(_full(built))
    assert stored.id == built.id
    labels = stored.labels
    assert labels["canario.package"] == package.digest
    assert labels["org.opencontainers.image.title"] == package.contract.name
    assert labels["org.opencontainers.image.revision"] == package.receipt.code
    said = engine.run(_full(built), ("ls", "/app/bento/src/package"))
    assert said.split() == sorted(["contract.json", "golden.jsonl", "holdout.json", "model.onnx", "receipt.json"])


def test_a_container_of_it_answers_right(engine: Engine, built: BuiltImage, package: Package) -> None:
    """What was asked beside the image is asked once more inside it."""
    check = ("python", "-m", "services.model_server.check", "--image", "--package", "/app/bento/src/package")
    assert f"7 golden requests answered right by {package.digest}" in engine.run(_full(built), check)


def test_its_user_has_no_rights_and_writes_only_where_it_may(engine: Engine, built: BuiltImage) -> None:
    """The image's user has no special rights, and writes only where it may."""
    assert engine.run(_full(built), ("id", "-u")).strip() == "1034"
    engine.run(_full(built), ("touch", "/tmp/a"))
    for place in ("/app/bento/src/package", "/app/.venv/lib", "/etc"):
        with pytest.raises(EngineError, match=r"Permission denied|Read-only"):
            engine.run(_full(built), ("touch", f"{place}/a"))


def test_two_builds_of_the_server_are_the_same(engine: Engine, server: BuiltImage, tmp_path: Path) -> None:
    anew = replace(engine, options=(*engine.options, "--no-cache"))
    again = server_image(f"{REGISTRY}/again", base_image(None), anew, tmp_path / "bento", print)
    try:
        first, second = (_layers(engine, _full(image), tmp_path) for image in (server, again))
    finally:
        engine.remove(_full(again))
    assert [len(layer) > 10 for layer in first[-2:]] == [True, True]
    assert [sorted(set(one.items()) ^ set(two.items())) for one, two in zip(first, second, strict=True)] == [
        [] for _ in first
    ]


def _layers(engine: Engine, image: str, folder: Path) -> list[dict[str, Content]]:
    """Each layer's files by name."""
    archive = folder / "image.tar"
    archive.unlink(missing_ok=True)
    save = {"buildah": ["buildah", "push", "-q", image, f"docker-archive:{archive}"]}
    subprocess.run(save.get(engine.name, [engine.name, "save", "-o", str(archive), image]), check=True)
    with tarfile.open(archive) as saved:
        manifest: list[dict[str, Any]] = json.load(_member(saved, "manifest.json"))
        return [_files(_member(saved, layer)) for layer in manifest[0]["Layers"]]


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    member = archive.extractfile(name)
    assert member is not None
    return member


def _files(layer: IO[bytes]) -> dict[str, Content]:
    with tarfile.open(fileobj=layer) as files:
        return {file.name: _content(files, file) for file in files}


def _content(files: tarfile.TarFile, file: tarfile.TarInfo) -> Content:
    member = files.extractfile(file) if file.isfile() else None
    digest = hashlib.sha256(member.read()).hexdigest() if member else ""
    return file.type, file.mode, file.uid, file.gid, file.linkname, digest


@pytest.fixture
def build(engine: Engine, tmp_path: Path) -> Callable[[str], None]:
    """Builds an image with 3 MB and no program of its own."""
    (tmp_path / "Containerfile").write_text(f"FROM {base_image(None)}\nCOPY megabytes /\nUSER 1034\n")
    (tmp_path / "megabytes").write_bytes(bytes(3_000_000))
    return lambda tag: engine.build(tmp_path, tmp_path / "Containerfile", tag, engine.build_options({}, {}))


@pytest.mark.parametrize(
    ("limit_mb", "check", "reason"),
    [
        (2, ("true",), "has 3 MB beyond its base, and 2 are allowed"),
        (4, ("sh", "-c", "echo it is broken; exit 1"), "it is broken"),
    ],
)
def test_what_is_too_large_or_broken_gets_no_name(
    engine: Engine, build: Callable[[str], None], limit_mb: int, check: tuple[str, ...], reason: str
) -> None:
    wanted = ImagePlan(f"{REGISTRY}/refused", str(limit_mb), {}, check, limit_mb)
    with pytest.raises(RefusedImage, match=reason):
        make(engine, wanted, base_image(None), build, print)
    with pytest.raises(EngineError):
        engine.stored(f"{REGISTRY}/refused:{limit_mb}")
    engine.remove(f"localhost/canario-unchecked/refused:{limit_mb}")


def test_the_tag_of_a_programs_image_is_that_of_its_content(engine: Engine, tmp_path: Path) -> None:
    plan, images = ImagePlan(f"{REGISTRY}/made", "1", {}, ("echo", "good"), by_content=True), []
    for text in ("a", "b"):
        (tmp_path / "Containerfile").write_text(f"FROM {base_image(None)}\nLABEL made={text}\n")

        def build(name: str) -> None:
            engine.build(tmp_path, tmp_path / "Containerfile", name, engine.build_options({}, {}))

        images.append(make(engine, plan, base_image(None), build, print))
        assert images[-1].tag == f"1-{images[-1].id.removeprefix('sha256:')[:12]}"
        assert engine.stored(_full(images[-1])).id == images[-1].id
    assert len({image.tag for image in images}) == 2
    for image in images:
        engine.remove(_full(image))


def test_the_judges_image_has_what_it_runs(engine: Engine) -> None:
    image = program_image(PROGRAMS["judge"], f"{REGISTRY}/judge", base_image(None), engine, print)
    try:
        assert "--prometheus" in engine.run(_full(image), ("python", "-m", "services.judge", "--help"))
        assert engine.run(_full(image), ("git", "--version")).startswith("git version 2.")
        assert engine.run(_full(image), ("id", "-u")).strip() == "1034"
    finally:
        engine.remove(_full(image))
