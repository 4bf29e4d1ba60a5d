"""The bytes of an image are found where it is: as a layout, in a registry, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import LayoutError
from components.image.image_name import ImageName
from components.image.layout_folder import LayoutFolder
from components.image.place import write_image
from components.image.publishing import model_image, push_model_image
from components.image.record import BuiltImage
from components.package.model_package import Package
from components.package.papers import materials_file
from components.signing.sbom import bill_of_materials
from k8s.lineage.image import check_package, read_image
from k8s.lineage.image_layout import image_layout
from services.image.errors import EngineError
from services.model_server.build import LOCK_FILE
from tests.components.image.server_images import base_in, patient_repository
from tests.registry import Registry, registry
from tests.small_package import write_small_package


@pytest.fixture
def package(tmp_path: Path) -> Package:
    package = write_small_package(tmp_path / "store" / "small")
    materials_file(package.path).write_text(bill_of_materials(package, LOCK_FILE))
    return package


def record(name: str, package: Package, digest: str, config: str) -> BuiltImage:
    return BuiltImage(name=name, tag="1", digest=digest, id=config, package=package.digest)


def pushed(there: Registry, package: Package) -> BuiltImage:
    base, name = base_in(there.address), ImageName.parse(f"{there.address}/models/small")
    image = model_image(package, base)
    push_model_image(image, base, patient_repository(name.bare), name)
    return record(name.bare, package, image.documents.manifest.digest, image.documents.id)


def test_an_image_in_a_registry_is_fetched_and_read(tmp_path: Path, package: Package) -> None:
    with registry() as there:
        built = pushed(there, package)
        folder = image_layout(built, tmp_path / "none", tmp_path)
    image = read_image(folder)
    assert (image.manifest, image.config) == (built.digest, built.id)
    check_package(image, package, "")
    assert image.files["package.cdx.json"] == materials_file(package.path).read_bytes()


def test_other_bytes_in_the_registry_are_refused(tmp_path: Path, package: Package) -> None:
    with registry() as there:
        built = pushed(there, package)
        kept = there.kept("models/small")
        layer = sorted(kept.blobs, key=lambda digest: len(kept.blobs[digest]))[-1]
        kept.blobs[layer] = kept.blobs[layer][:-1] + b"x"
        with pytest.raises(Exception, match="sent other bytes than those of sha256:"):
            image_layout(built, tmp_path / "none", tmp_path)


def test_the_layout_of_make_image_is_read_where_it_is(tmp_path: Path, package: Package) -> None:
    with registry() as there:
        base = base_in(there.address)
        image = model_image(package, base)
        write_image(image.documents, image.own, base.place, LayoutFolder(tmp_path / "small"), image.tag)
    built = record("registry.local/canario/small", package, image.documents.manifest.digest, image.documents.id)
    assert image_layout(built, tmp_path / "small", tmp_path) == tmp_path / "small"
    blob = tmp_path / "small" / "blobs" / "sha256" / built.id.removeprefix("sha256:")
    blob.write_bytes(b"{}")
    with pytest.raises(LayoutError, match="was changed"):
        read_image(tmp_path / "small")


def test_without_layout_registry_and_engine_it_is_said(
    tmp_path: Path, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    digest = "sha256:" + "1" * 64
    with registry() as there:
        for name in ("registry.local/canario/small", f"{there.address}/models/small"):
            scratch = tmp_path / name.partition("/")[0]
            scratch.mkdir()
            for _ in range(2):  # two links of the chain ask for it
                with pytest.raises(EngineError, match="no engine that builds images answers here"):
                    image_layout(record(name, package, digest, digest), tmp_path / "none", scratch)
