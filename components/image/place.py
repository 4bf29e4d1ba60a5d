"""Where images are: a repository of a registry or an OCI layout, and the copying from one to another."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from components.errors import ImageRegistryError, LayoutError
from components.image.documents import ImageDocuments, Manifest


class ImagePlace(Protocol):
    """What can be asked of a repository and of a layout alike."""

    def manifest(self, reference: str) -> Manifest | None:
        """The manifest under a tag or digest."""

    def has_blob(self, digest: str) -> bool:
        """Whether it has a blob."""

    def read_blob(self, digest: str) -> bytes:
        """A small blob's bytes, checked."""

    def fetch_blob(self, digest: str, scratch: Path) -> Path:
        """A blob of any size as a file, checked."""

    def mount(self, digest: str, source: str) -> bool:
        """Takes a blob over from another repository beside it."""

    def send_blob(self, digest: str, content: bytes | Path) -> None:
        """Writes a blob."""

    def put_manifest(self, manifest: Manifest, tag: str) -> bool:
        """Names a manifest by a tag; False if it was so named before."""


def read_documents(place: ImagePlace, reference: str, name: str) -> ImageDocuments:
    """The documents of one image; of an index its only image's. `name` is for messages.

    Raises:
        ImageRegistryError: there is no such image, or there are several.
    """
    manifest = place.manifest(reference)
    if manifest is None:
        raise ImageRegistryError(f"{name} is not there")
    inner = manifest.images()
    if inner:
        if len(inner) > 1:
            raise ImageRegistryError(f"{name} is an index of {len(inner)} images; name one by name@sha256:...")
        manifest = place.manifest(inner[0])
        if manifest is None:
            raise ImageRegistryError(f"{name} is an index of {inner[0]}, which is not there")
    if "config" not in manifest.document:
        raise LayoutError(f"{name}: {manifest.digest} is no image; it has no configuration")
    return ImageDocuments(manifest, place.read_blob(manifest.document["config"]["digest"]))


def copy_blobs(digests: list[str], source: ImagePlace, target: ImagePlace, beside: str) -> int:
    """Brings blobs from one place to another that lacks them; returns how many had to be sent.

    `beside` names the source's repository where both are in one registry, which then takes the blobs over by itself;
    empty where they are not.
    """
    sent = 0
    for digest in digests:
        if target.has_blob(digest) or (beside and target.mount(digest, beside)):
            continue
        with tempfile.TemporaryDirectory(prefix="canario-blob-") as scratch:
            target.send_blob(digest, source.fetch_blob(digest, Path(scratch)))
        sent += 1
    return sent


def write_image(
    image: ImageDocuments,
    own: dict[str, bytes],
    source: ImagePlace,
    target: ImagePlace,
    tag: str,
    *,
    beside: str = "",
    before_naming: Callable[[], None] = lambda: None,
) -> int:
    """Writes an image whose lower layers are in `source`, and names it by a tag last; returns how many blobs were sent.

    A call that was broken off can be repeated; it sends what is missing.

    Args:
        image: the documents.
        own: blobs that are in neither place, by digest: its configuration and its own layer.
        source: where the other layers are.
        target: where the image goes.
        tag: the tag to give.
        beside: as in `copy_blobs`.
        before_naming: called when all bytes are there; if it fails, the image gets no name.
    """
    lower = [str(layer["digest"]) for layer in image.layers if layer["digest"] not in own]
    sent = copy_blobs(lower, source, target, beside)
    for digest, content in own.items():
        if not target.has_blob(digest):
            target.send_blob(digest, content)
            sent += 1
    before_naming()
    target.put_manifest(image.manifest, tag)
    return sent
