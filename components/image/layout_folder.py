"""Writes an image as an OCI layout, a folder that engines and registries' tools read.

https://github.com/opencontainers/image-spec: image-layout.md.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from components.files import write_atomically
from components.image.documents import OCI_MANIFEST, Manifest
from components.image.image_name import ImageName
from components.image.layout import blob, checked_blob

_TAG: Final = "org.opencontainers.image.ref.name"
#: By this annotation Docker names an image that it loads.
_DOCKER_NAME: Final = "io.containerd.image.name"


class LayoutFolder:
    """A layout that holds one image."""

    def __init__(self, folder: Path, name: ImageName | None = None) -> None:
        """`name` is written into the index, for engines that load the image."""
        self.folder, self._name = folder, name

    def manifest(self, reference: str) -> Manifest | None:
        """The manifest under a tag or digest, or the first for an empty reference; None if there is none."""
        if reference.startswith("sha256:"):
            return self._read(reference, "") if self.has_blob(reference) else None
        path = self.folder / "index.json"
        for entry in json.loads(path.read_bytes()).get("manifests", ()) if path.is_file() else ():
            if reference in ("", entry.get("annotations", {}).get(_TAG)):
                return self._read(entry["digest"], entry.get("mediaType", ""))
        return None

    def _read(self, digest: str, media_type: str) -> Manifest:
        content = checked_blob(self.folder, digest).read_bytes()
        return Manifest(content, media_type or json.loads(content).get("mediaType", OCI_MANIFEST))

    def clear(self) -> None:
        """Empties the folder, for an engine to write a layout into; makes it where it is missing."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def replace_by(self, whole: LayoutFolder) -> None:
        """Takes the place of a layout that was written beside it, which is then whole or absent."""
        shutil.rmtree(self.folder, ignore_errors=True)
        whole.folder.rename(self.folder)

    def has_blob(self, digest: str) -> bool:
        """Whether a blob is there; it was checked when it was written."""
        return blob(self.folder, digest).is_file()

    def read_blob(self, digest: str) -> bytes:
        """A small blob's bytes, checked."""
        return checked_blob(self.folder, digest).read_bytes()

    def fetch_blob(self, digest: str, scratch: Path) -> Path:  # noqa: ARG002 -- as `ImageRepository.fetch_blob`
        """The file of a blob, checked."""
        return checked_blob(self.folder, digest)

    def mount(self, digest: str, source: str) -> bool:  # noqa: ARG002 -- as `ImageRepository.mount`
        """Takes nothing over from anywhere."""
        return False

    def send_blob(self, digest: str, content: bytes | Path) -> None:
        """Writes a blob; a file that is already a blob of a layout beside it becomes one of this, without a copy."""
        path = blob(self.folder, digest)
        if path.is_file():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".blob-", dir=self.folder) as scratch:
            draft = Path(scratch, "blob")
            if isinstance(content, bytes):
                draft.write_bytes(content)
            else:
                _link_or_copy(content, draft)
            draft.replace(path)

    def put_manifest(self, manifest: Manifest, tag: str) -> bool:
        """Makes a manifest the one image of the layout; False if it is already."""
        there = self.has_blob(manifest.digest)
        self.send_blob(manifest.digest, manifest.content)
        names = {_TAG: tag}
        if self._name:
            names[_DOCKER_NAME] = f"{self._name.bare}:{tag}"
        entry: dict[str, Any] = {
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "size": len(manifest.content),
            "annotations": names,
        }
        index = {"schemaVersion": 2, "manifests": [entry]}
        write_atomically(self.folder / "oci-layout", '{"imageLayoutVersion":"1.0.0"}\n')
        write_atomically(self.folder / "index.json", json.dumps(index, indent=2) + "\n")
        self._keep_only(manifest)
        return not there

    def _keep_only(self, manifest: Manifest) -> None:
        """Removes the blobs of an image that was here before."""
        document = manifest.document
        wanted = {manifest.digest, document["config"]["digest"], *(one["digest"] for one in document["layers"])}
        for path in (self.folder / "blobs" / "sha256").iterdir():
            if f"sha256:{path.name}" not in wanted:
                path.unlink()


def _link_or_copy(source: Path, target: Path) -> None:
    """A blob never changes, so two layouts may share its file; two file systems cannot."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
