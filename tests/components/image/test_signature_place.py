"""Signatures are beside the image or where cosign's own variable says, also where the tags of images never move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.errors import ImageRegistryError
from components.image.image_name import ImageName
from components.image.image_signature import is_signed, sign_image
from components.image.signature_place import signatures_of
from tests.components.image.server_images import patient_repository, put_server
from tests.registry import Registry, registry
from tests.signing_keys import write_keys

MATERIALS = b'{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[]}'
IMAGE = "host.example/models/small"


@pytest.fixture
def there() -> Iterator[Registry]:
    """A registry whose tags never move, but for those of one repository."""
    with registry(tags_move=False, moving=("signatures/images",)) as started:
        yield started


@pytest.fixture
def image(there: Registry) -> ImageName:
    name = f"{there.address}/models/small"
    return ImageName.parse(f"{name}@{put_server(patient_repository(name), '1').digest}")


@pytest.mark.parametrize(
    ("named", "place"),
    [("", IMAGE), ("host.example/canario-signatures/images", "host.example/canario-signatures/images")],
)
def test_they_are_where_cosign_looks_for_them(named: str, place: str) -> None:
    image = ImageName.parse(f"{IMAGE}:1@sha256:{'a' * 64}")
    assert signatures_of(image, {"COSIGN_REPOSITORY": named}) == ImageName.parse(place)
    assert signatures_of(image, {}) == ImageName.parse(IMAGE)


@pytest.mark.parametrize("named", ["signatures", "host.example/a:1", f"host.example/a@sha256:{'0' * 64}"])
def test_a_place_that_is_no_repository_is_refused(named: str) -> None:
    with pytest.raises(ImageRegistryError, match=r"^COSIGN_REPOSITORY: .*host/folder/name"):
        signatures_of(ImageName.parse(IMAGE), {"COSIGN_REPOSITORY": named})


def test_a_first_signature_needs_no_tag_to_move(image: ImageName, tmp_path: Path) -> None:
    """One key signs image and materials, again and again, where no tag moves."""
    keys = write_keys(tmp_path / "keys")
    for _ in range(2):
        sign_image(image, keys.private, MATERIALS)
    assert is_signed(image, keys.public)


def test_a_second_key_is_refused_in_words_where_no_tag_moves(image: ImageName, tmp_path: Path) -> None:
    first, second = (write_keys(tmp_path / name) for name in ("1", "2"))
    sign_image(image, first.private)
    with pytest.raises(
        ImageRegistryError, match=r"enabled tag immutability\. A further .* COSIGN_REPOSITORY=host/folder/name"
    ):
        sign_image(image, second.private)


def test_a_second_key_signs_where_tags_may_move(
    there: Registry, image: ImageName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COSIGN_REPOSITORY", f"{there.address}/signatures/images")
    pairs = [write_keys(tmp_path / name) for name in ("1", "2")]
    for pair in (*pairs, *pairs):
        sign_image(image, pair.private, MATERIALS)
    assert [is_signed(image, pair.public) for pair in pairs] == [True, True]
    name = image.digest.replace(":", "-")
    assert sorted(there.kept("signatures/images").tags) == [f"{name}.att", f"{name}.sig"]
    assert list(there.kept("models/small").tags) == ["1"]


@pytest.mark.parametrize("at", range(12))
def test_signing_is_broken_off_anywhere_and_repeated(
    there: Registry, image: ImageName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Whatever request was the last of the first try, the second ends it, and signs nothing twice."""
    monkeypatch.setenv("COSIGN_REPOSITORY", f"{there.address}/signatures/images")
    monkeypatch.setattr("components.image.registry_session._PAUSES", ())
    pairs = [write_keys(tmp_path / name) for name in ("1", "2")]
    sign_image(image, pairs[0].private, MATERIALS)
    there.break_off(after=at)
    with pytest.raises(ImageRegistryError, match="does not answer"):
        sign_image(image, pairs[1].private, MATERIALS)
    there.go_on()
    sign_image(image, pairs[1].private, MATERIALS)
    assert [is_signed(image, pair.public) for pair in pairs] == [True, True]
    there.asked.clear()
    sign_image(image, pairs[1].private, MATERIALS)
    assert there.counted("^(PUT|POST)") == 0
