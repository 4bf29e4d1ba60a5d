"""Where the signatures and attestations of an image are: beside it, or in the repository of `$COSIGN_REPOSITORY`.

As cosign has it, they are the layers of a manifest whose tag is made from the image's digest; a further one moves the
tag (https://github.com/sigstore/cosign/blob/v2.6.1/pkg/oci/remote/write.go). A registry whose tags never move refuses
that, so there the variable has to name a repository whose tags may move. Referrers would not help: in a registry
without their API a tag lists them, and it moves as well
(https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#unavailable-referrers-api).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from components.digest import sha256
from components.errors import ImageRegistryError
from components.image.documents import OCI_MANIFEST, Manifest
from components.image.image_name import ImageName
from components.image.repository import ImageRepository

#: Cosign's own variable: the whole name of the repository that holds signatures, without a tag.
VARIABLE: Final = "COSIGN_REPOSITORY"
SIGNATURES: Final = "sig"
ATTESTATIONS: Final = "att"
_CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"

#: A signature or attestation: the descriptor of its layer, and the layer's bytes.
SignatureLayer = tuple[Mapping[str, Any], bytes]


def signatures_of(image: ImageName, environment: Mapping[str, str] = os.environ) -> ImageName:
    """The repository that holds an image's signatures.

    Raises:
        ImageRegistryError: the variable names no repository.
    """
    try:
        return repository_of_signatures(image, environment.get(VARIABLE, ""))
    except ImageRegistryError as error:
        raise ImageRegistryError(f"{VARIABLE}: {error}") from error


def repository_of_signatures(image: ImageName, named: str) -> ImageName:
    """The named repository, or for an empty name the image's own.

    Raises:
        ImageRegistryError: `named` is no name of a repository.
    """
    if not named:
        return ImageName(image.registry, image.repository)
    found = ImageName.parse(named)
    if found.tag or found.digest:
        raise ImageRegistryError(f"{named!r} has a tag or digest; host/folder/name is wanted")
    return found


def signature_tag(digest: str, kind: str) -> str:
    """The tag of an image's signatures or attestations."""
    return f"{digest.replace(':', '-')}.{kind}"


def read_layers(repository: ImageRepository, tag: str) -> list[SignatureLayer]:
    """The signatures or attestations under a tag; none if the tag is not there."""
    manifest = repository.manifest(tag)
    layers = manifest.document.get("layers", ()) if manifest else ()
    return [(one, repository.read_blob(one["digest"])) for one in layers]


def add_layers(repository: ImageRepository, tag: str, added: Sequence[SignatureLayer]) -> int:
    """Adds signatures or attestations to those under a tag, and leaves out what is there; returns how many were added.

    Raises:
        ImageRegistryError: the registry refuses, such as one whose tags never move.
    """
    manifest = repository.manifest(tag)
    there: list[Mapping[str, Any]] = manifest.document.get("layers", []) if manifest else []
    new = [(one, content) for one, content in added if one not in there]
    if not new:
        return 0
    layers = [*there, *(one for one, _ in new)]
    config = _config(layers)
    for content in (*(content for _, content in new), config):
        if not repository.has_blob(sha256(content)):
            repository.send_blob(sha256(content), content)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": _CONFIG_TYPE, "size": len(config), "digest": sha256(config)},
        "layers": layers,
    }
    _move_tag(repository, tag, Manifest(_json(document), OCI_MANIFEST), is_there=manifest is not None)
    return len(new)


def _move_tag(repository: ImageRepository, tag: str, manifest: Manifest, *, is_there: bool) -> None:
    try:
        repository.put_manifest(manifest, tag, may_move=True)
    except ImageRegistryError as error:
        if not is_there:
            raise
        raise ImageRegistryError(
            f"{error}. A further signature moves the tag of the first; where the tags of images never move, "
            f"{VARIABLE}=host/folder/name names a repository whose tags may"
        ) from error


def _config(layers: Sequence[Mapping[str, Any]]) -> bytes:
    files = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
    return _json({"architecture": "", "config": {}, "os": "", "rootfs": files})


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
