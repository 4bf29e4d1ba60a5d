"""An image and its signatures come to another registry as they are, or a sentence says why not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.digest import sha256
from components.errors import ImageRegistryError
from components.image.copying import CopyCount, ImagePlaces, copy_signed_image, read_signed_image
from components.image.documents import OCI_MANIFEST, Manifest
from components.image.image_name import ImageName
from components.image.image_signature import is_signed, sign_image
from tests.components.image.conftest import log_in
from tests.components.image.server_images import LAYERS, patient_repository, put_server
from tests.registry import AUTH, Registry, registry
from tests.signing_keys import Keys, write_keys

MATERIALS = b'{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[]}'
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return write_keys(tmp_path / "keys")


@pytest.fixture
def production(no_login: Path) -> Iterator[Registry]:
    """A registry that wants a login, in which no tag of an image moves."""
    with registry(login="bearer", tags_move=False, moving=("signatures/images",)) as started:
        log_in(no_login, started.address, AUTH)
        yield started


def staging_places(there: Registry) -> ImagePlaces:
    return ImagePlaces(*(patient_repository(f"{there.address}/models/small") for _ in range(2)))


def production_places(there: Registry) -> ImagePlaces:
    return ImagePlaces(
        patient_repository(f"{there.address}/models/small"), patient_repository(f"{there.address}/signatures/images")
    )


def signed(there: Registry, keys: Keys) -> str:
    """Puts a signed image into a registry; its digest."""
    places = staging_places(there)
    digest = put_server(places.images, "1").digest
    sign_image(ImageName.parse(f"{places.images.name}@{digest}"), keys.private, MATERIALS)
    return digest


def copied(source: ImagePlaces, target: ImagePlaces, digest: str, tag: str = "") -> CopyCount:
    return copy_signed_image(read_signed_image(source, digest), source, target, tag)


def test_a_copy_is_the_same_image_and_signed(
    there: Registry, production: Registry, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = signed(there, keys)
    source, target = staging_places(there), production_places(production)
    assert copied(source, target, digest, "1") == CopyCount(len(LAYERS) + 1, 2)
    kept = production.kept("models/small")
    assert kept.tags == {"1": digest}
    assert kept.manifests == {digest: there.kept("models/small").manifests[digest]}
    monkeypatch.setenv("COSIGN_REPOSITORY", target.signatures.name)
    assert is_signed(ImageName.parse(f"{target.images.name}@{digest}"), keys.public)
    name = digest.replace(":", "-")
    assert sorted(production.kept("signatures/images").tags) == [f"{name}.att", f"{name}.sig"]


def test_a_second_copy_sends_nothing(there: Registry, production: Registry, keys: Keys) -> None:
    digest = signed(there, keys)
    source, target = staging_places(there), production_places(production)
    copied(source, target, digest)
    production.asked.clear()
    assert copied(source, target, digest) == CopyCount(0, 0)
    assert production.counted("^(PUT|POST)") == 0
    assert production.kept("models/small").tags == {digest[7:19]: digest}, "without a tag it would be cleaned up"


def test_later_signatures_follow_and_earlier_ones_stay(
    there: Registry, production: Registry, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target's own signature is kept when a second copy brings another of the source."""
    digest, others = signed(there, keys), [write_keys(tmp_path / name) for name in ("staging", "production")]
    source, target = staging_places(there), production_places(production)
    copied(source, target, digest)
    sign_image(ImageName.parse(f"{source.images.name}@{digest}"), others[0].private)
    monkeypatch.setenv("COSIGN_REPOSITORY", target.signatures.name)
    there_now = ImageName.parse(f"{target.images.name}@{digest}")
    sign_image(there_now, others[1].private)
    assert copied(source, target, digest) == CopyCount(0, 1)
    assert [is_signed(there_now, pair.public) for pair in (keys, *others)] == [True] * 3


@pytest.mark.parametrize("which", ["the source", "the target"])
def test_a_copy_is_broken_off_anywhere_and_repeated(
    there: Registry, production: Registry, keys: Keys, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    monkeypatch.setattr("components.image.registry_session._PAUSES", ())
    digest = signed(there, keys)
    leaving, tries = there if which == "the source" else production, 0
    while True:
        leaving.break_off(after=3 * tries)
        try:
            count = copied(staging_places(there), production_places(production), digest)
            break
        except ImageRegistryError as error:
            assert "does not answer" in str(error)  # noqa: PT017 -- the last try raises nothing
            assert production.kept("models/small").tags in ({}, {digest[7:19]: digest})
            tries += 1
    leaving.go_on()
    assert tries > 2
    assert production.kept("models/small").blobs.keys() >= {sha256(one) for one in LAYERS}
    assert count.blobs <= len(LAYERS) + 1
    assert copied(staging_places(there), production_places(production), digest) == CopyCount(0, 0)


def test_an_index_is_copied_with_all_that_is_in_it(there: Registry, production: Registry, keys: Keys) -> None:
    source, target = staging_places(there), production_places(production)
    inner = [put_server(source.images, tag, User=f"{tag}:{tag}") for tag in ("1", "2")]
    entries = [{"mediaType": OCI_MANIFEST, "digest": one.digest, "size": len(one.content)} for one in inner]
    index = Manifest(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode(), INDEX)
    source.images.put_manifest(index, "both")
    sign_image(ImageName.parse(f"{source.images.name}@{index.digest}"), keys.private)
    assert copied(source, target, index.digest, "both") == CopyCount(len(LAYERS) + 2, 1)
    kept = production.kept("models/small")
    assert kept.tags == {"both": index.digest}
    assert kept.manifests.keys() == {index.digest, *(one.digest for one in inner)}


def test_what_cannot_be_copied_is_said_before_any_writing(there: Registry, production: Registry, keys: Keys) -> None:
    source = staging_places(there)
    unsigned = put_server(source.images, "unsigned", User="0:0").digest
    layer = {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "size": 9}
    layers = [{**layer, "digest": sha256(b"w" * 9), "urls": ["https://example.com/windows"]}]
    document = json.loads(there.kept("models/small").manifests[unsigned][0]) | {"layers": layers}
    foreign = Manifest(json.dumps(document).encode(), OCI_MANIFEST)
    source.images.send_blob(sha256(b"w" * 9), b"w" * 9)
    source.images.put_manifest(foreign, "foreign")
    missing = "sha256:" + "0" * 64
    for digest, sentence in (
        (missing, f"{source.images.name}@{missing} is not there, so it cannot be copied"),
        (unsigned, f"has no signature in {source.signatures.name} .* `make publish` signs an image"),
        (foreign.digest, r"is foreign: it is kept at https://example\.com/windows and in no registry"),
    ):
        with pytest.raises(ImageRegistryError, match=sentence):
            read_signed_image(source, digest)
    assert production.asked == []


def test_a_signature_of_another_image_does_not_count(there: Registry, keys: Keys) -> None:
    source, digest = staging_places(there), signed(there, keys)
    other = put_server(source.images, "2", User="0:0").digest
    tags = there.kept("models/small").tags
    tags[f"{other.replace(':', '-')}.sig"] = tags[f"{digest.replace(':', '-')}.sig"]
    with pytest.raises(ImageRegistryError, match="has no signature in"):
        read_signed_image(source, other)


def test_without_a_login_to_the_target_it_is_said_how_to_get_one(
    there: Registry, production: Registry, keys: Keys, no_login: Path
) -> None:
    digest = signed(there, keys)
    no_login.write_text("{}")
    with pytest.raises(ImageRegistryError, match=f"wants a login, .* `docker login {production.address}`"):
        copied(staging_places(there), production_places(production), digest)


def test_in_one_registry_layers_are_taken_over(there: Registry, keys: Keys) -> None:
    """Two folders of one registry, as one host of Artifact Registry has them: no layer is sent."""
    digest, target = signed(there, keys), patient_repository(f"{there.address}/production/small")
    assert copied(staging_places(there), ImagePlaces(target, target), digest, "1") == CopyCount(0, 2)
    assert sorted(target.tags()) == ["1", *sorted(f"{digest.replace(':', '-')}.{kind}" for kind in ("att", "sig"))]
