"""Copies an image by its digest to another repository, with its signatures and attestations; no engine is needed.

The digest is the image's identity, so the copy is the same image, and the signatures hold for it unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from components.errors import ImageRegistryError, LayoutError
from components.image.documents import Manifest
from components.image.image_name import ImageName
from components.image.place import copy_blobs
from components.image.repository import ImageRepository, open_repository
from components.image.server import short
from components.image.signature_place import (
    ATTESTATIONS,
    SIGNATURES,
    SignatureLayer,
    add_layers,
    read_layers,
    signature_tag,
)

#: Words in the types of layers that no registry keeps: `...rootfs.foreign.diff.tar`, `...nondistributable.v1.tar`.
_FOREIGN: Final = ("foreign", "nondistributable")


@dataclass(frozen=True)
class ImagePlaces:
    """The repository of an image, and that of its signatures."""

    images: ImageRepository
    signatures: ImageRepository


def open_places(images: ImageName, signatures: ImageName) -> ImagePlaces:
    """Both repositories, each with a session of its own."""
    return ImagePlaces(open_repository(images), open_repository(signatures))


@dataclass(frozen=True)
class CopyCount:
    """What a copy had to send: blobs of the image, and its signatures and attestations."""

    blobs: int
    signatures: int


@dataclass(frozen=True)
class SignedImage:
    """An image that was read with all that a copy needs, and not written yet.

    Attributes:
        manifests: the image's manifest; of an index, those in it before the index itself.
        papers: signatures and attestations, by their tag.
    """

    digest: str
    manifests: tuple[Manifest, ...]
    papers: dict[str, list[SignatureLayer]]

    @property
    def blobs(self) -> list[str]:
        """The digests of all configurations and layers, each once."""
        return list(dict.fromkeys(str(part["digest"]) for one in self.manifests for part in _parts(one)))


def read_signed_image(source: ImagePlaces, digest: str) -> SignedImage:
    """Reads an image by its digest, with its signatures and attestations, and writes nothing.

    Raises:
        ImageRegistryError: it is not there, is not signed, or has a layer that is in no registry; or the registry is
            away or refuses.
        LayoutError: its manifest is none.
    """
    manifests = tuple(_manifests(source.images, digest))
    for manifest in manifests:
        _refuse_foreign_layers(source.images.name, manifest)
    papers = {
        tag: read_layers(source.signatures, tag)
        for tag in (signature_tag(digest, kind) for kind in (SIGNATURES, ATTESTATIONS))
    }
    signatures = papers[signature_tag(digest, SIGNATURES)]
    if not any(_is_of(payload, digest) for _, payload in signatures):
        raise ImageRegistryError(
            f"{source.images.name}@{digest} has no signature in {source.signatures.name} (looked for the tag "
            f"{signature_tag(digest, SIGNATURES)}); `make publish` signs an image"
        )
    return SignedImage(digest, manifests, papers)


def copy_signed_image(image: SignedImage, source: ImagePlaces, target: ImagePlaces, tag: str = "") -> CopyCount:
    """Writes an image into another repository: blobs, manifests, the tag, and then signatures and attestations.

    What is there is not sent again, so a copy that was broken off can be repeated.

    Args:
        image: what `read_signed_image` read from `source`.
        source: where it is.
        target: where it goes.
        tag: its tag there, because registries clean up what has none; by default digits of its digest.

    Raises:
        ImageRegistryError: a registry is away or refuses, or the tag names another image there.
    """
    beside = source.images.repository if source.images.session.registry == target.images.session.registry else ""
    sent = copy_blobs(image.blobs, source.images, target.images, beside)
    *inner, whole = image.manifests
    for manifest in inner:
        target.images.put_manifest(manifest, manifest.digest)
    target.images.put_manifest(whole, tag or short(image.digest))
    return CopyCount(sent, sum(add_layers(target.signatures, name, layers) for name, layers in image.papers.items()))


def _manifests(repository: ImageRepository, digest: str) -> Iterable[Manifest]:
    """An image's manifest; for an index first those in it, whatever they are."""
    manifest = repository.manifest(digest)
    if manifest is None:
        raise ImageRegistryError(f"{repository.name}@{digest} is not there, so it cannot be copied")
    inner = manifest.document.get("manifests")
    if inner is None and "config" not in manifest.document:
        raise LayoutError(f"{repository.name}: {digest} is no image; it has no configuration")
    for entry in inner or ():
        yield from _manifests(repository, str(entry["digest"]))
    yield manifest


def _parts(manifest: Manifest) -> list[dict[str, Any]]:
    document = manifest.document
    return [*document.get("layers", ()), *([document["config"]] if "config" in document else [])]


def _refuse_foreign_layers(name: str, manifest: Manifest) -> None:
    for layer in manifest.document.get("layers", ()):
        if layer.get("urls") or any(word in layer.get("mediaType", "") for word in _FOREIGN):
            where = ", ".join(layer.get("urls", ())) or "an address that its manifest does not name"
            raise ImageRegistryError(
                f"{name}@{manifest.digest}: layer {layer['digest']} is foreign: it is kept at {where} and in no "
                "registry, so it cannot be copied; build the image on a base without such layers"
            )


def _is_of(payload: bytes, digest: str) -> bool:
    """Whether a signature says that it is of this image. Whose signature it is, is asked where the image runs."""
    try:
        return bool(json.loads(payload)["critical"]["image"]["docker-manifest-digest"] == digest)
    except (ValueError, LookupError, TypeError):
        return False
