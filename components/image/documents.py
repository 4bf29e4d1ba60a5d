"""The documents of an image: its manifest and its configuration, and both with one more layer.

https://github.com/opencontainers/image-spec: manifest.md, config.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from components.digest import sha256
from components.errors import LayoutError
from components.files import EPOCH

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
_INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
#: What a registry may answer with.
MANIFEST_TYPES: Final = (OCI_MANIFEST, _DOCKER_MANIFEST, *_INDEXES)
#: A layer that is not compressed, by the manifest's type: two versions of a compressor may write different bytes.
_PLAIN_LAYER: Final = {
    OCI_MANIFEST: "application/vnd.oci.image.layer.v1.tar",
    _DOCKER_MANIFEST: "application/vnd.docker.image.rootfs.diff.tar",
}
#: Platforms that an index names where an entry is no image, but says where one comes from.
_NO_PLATFORM: Final = "unknown"


@dataclass(frozen=True)
class Manifest:
    """A manifest's bytes with their type; it may be an index of several."""

    content: bytes
    media_type: str

    @cached_property
    def digest(self) -> str:
        """The digest by which a registry knows the image."""
        return sha256(self.content)

    @cached_property
    def document(self) -> dict[str, Any]:
        """The manifest as JSON values.

        Raises:
            LayoutError: the bytes are no manifest.
        """
        try:
            document = json.loads(self.content)
        except ValueError as error:
            raise LayoutError(f"{self.digest}: is no manifest of an image: {error}") from error
        if not isinstance(document, dict):
            raise LayoutError(f"{self.digest}: is no manifest of an image")
        return document

    def images(self) -> list[str]:
        """The digests of the images in an index; empty if this is no index."""
        entries = self.document.get("manifests", [])
        return [one["digest"] for one in entries if (one.get("platform") or {}).get("os") != _NO_PLATFORM]


@dataclass(frozen=True)
class ImageDocuments:
    """The manifest and the configuration of one image."""

    manifest: Manifest
    config: bytes

    @cached_property
    def about(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        document: dict[str, Any] = json.loads(self.config)
        return document

    @property
    def id(self) -> str:
        """The configuration's digest, the image's identity everywhere."""
        return sha256(self.config)

    @property
    def labels(self) -> Mapping[str, str]:
        """The image's labels."""
        labels: Mapping[str, str] | None = (self.about.get("config") or {}).get("Labels")
        return labels or {}

    @property
    def layers(self) -> Sequence[Mapping[str, Any]]:
        """The descriptors of the layers, lowest first."""
        layers: Sequence[Mapping[str, Any]] = self.manifest.document["layers"]
        return layers

    def with_layer(self, layer: bytes, labels: Mapping[str, str], created_by: str) -> ImageDocuments:
        """This image with one more layer, a tar archive, and more labels. The same input gives the same bytes.

        Raises:
            LayoutError: the manifest is of a type that has no such layers.
        """
        kind = self.manifest.document.get("mediaType") or self.manifest.media_type or OCI_MANIFEST
        if kind not in _PLAIN_LAYER:
            raise LayoutError(f"{self.manifest.digest}: is a manifest of type {kind!r}; {OCI_MANIFEST} is wanted")
        config = _written(self._with_layer_in_config(layer, labels, created_by))
        document = self.manifest.document
        manifest = {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {**document["config"], "digest": sha256(config), "size": len(config)},
            "layers": [*self.layers, {"mediaType": _PLAIN_LAYER[kind], "digest": sha256(layer), "size": len(layer)}],
        }
        return ImageDocuments(Manifest(_written(manifest), kind), config)

    def _with_layer_in_config(self, layer: bytes, labels: Mapping[str, str], created_by: str) -> dict[str, Any]:
        about, files = self.about, self.about["rootfs"]
        made = datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        grown = {
            **about,
            "created": made,
            "config": {**(about.get("config") or {}), "Labels": {**self.labels, **labels}},
            "rootfs": {**files, "diff_ids": [*files["diff_ids"], sha256(layer)]},
        }
        if about.get("history"):  # Where there is one, it has an entry for each layer.
            grown["history"] = [*about["history"], {"created": made, "created_by": created_by}]
        return grown


def _written(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
