"""Images of a server, small and written by hand, in a registry or a layout."""

from __future__ import annotations

import gzip
import json
from typing import Any

from components.digest import sha256
from components.image.documents import OCI_MANIFEST, Manifest
from components.image.image_name import ImageName
from components.image.place import ImagePlace
from components.image.publishing import ServerBase, read_base
from components.image.registry_session import RegistrySession
from components.image.repository import ImageRepository
from components.image.server import SERVER_LABEL, server_digest, server_tag
from tests.components.image.layouts import layer

LAYERS = (
    gzip.compress(layer([("usr/bin/python3", "python3.11"), ("usr/lib/libc.so", b"c" * 5000)]), mtime=0),
    gzip.compress(layer([("app", None), ("app/bento/src/services/__init__.py", b"")]), mtime=0),
)
_KINDS = {"config": "config.v1+json", "layer": "layer.v1.tar+gzip"}


def patient_repository(name: str) -> ImageRepository:
    """A repository whose session pauses for no time between attempts."""
    parsed = ImageName.parse(name)
    return ImageRepository(parsed, RegistrySession(parsed.registry, pause=lambda _: None))


def put_server(place: ImagePlace, tag: str, server: str | None = None, **config: Any) -> Manifest:
    """Writes an image with the label of a server; by default of this tree's own."""
    about = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"User": "1034:1034", "Labels": {SERVER_LABEL: server or server_digest()}, **config},
        "rootfs": {"type": "layers", "diff_ids": [sha256(gzip.decompress(one)) for one in LAYERS]},
        "history": [{"created_by": "base"}, {"created_by": "COPY app"}],
    }
    written = json.dumps(about).encode()
    for content in (*LAYERS, written):
        if not place.has_blob(sha256(content)):
            place.send_blob(sha256(content), content)
    kinds = {
        "config": "application/vnd.oci.image.config.v1+json",
        "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
    }
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": kinds["config"], "digest": sha256(written), "size": len(written)},
        "layers": [{"mediaType": kinds["layer"], "digest": sha256(one), "size": len(one)} for one in LAYERS],
    }
    manifest = Manifest(json.dumps(document).encode(), OCI_MANIFEST)
    place.put_manifest(manifest, tag)
    return manifest


def server_in(address: str, server: str | None = None) -> str:
    """Puts the server's image into a registry; its whole name."""
    name = f"{address}/canario/server"
    put_server(patient_repository(name), server_tag(), server)
    return f"{name}:{server_tag()}"


def base_in(address: str) -> ServerBase:
    return read_base(server_in(address))
