"""Reads an image as an OCI layout: checks every blob against its digest, then shows the files a container sees.

https://github.com/opencontainers/image-spec: image-layout.md, layer.md (whiteouts).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, cast

from components.digest import file_digest
from components.errors import LayoutError

_CHUNK: Final = 1 << 20
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"


@dataclass(frozen=True)
class Layout:
    """One image.

    Attributes:
        manifest: the manifest's digest; it depends on how one place compresses the layers.
        config: the configuration's digest, the image's identity everywhere, because it names uncompressed layers.
        about: the configuration.
    """

    folder: Path
    manifest: str
    config: str
    about: Mapping[str, Any]
    layers: Sequence[Mapping[str, Any]]

    @property
    def digests(self) -> list[str]:
        """The digests of the layers, lowest first."""
        return [str(layer["digest"]) for layer in self.layers]

    def contents(self, keep: Callable[[str], bool]) -> dict[str, bytes]:
        """The regular files that a container sees and `keep` selects, by path without the first slash.

        Raises:
            LayoutError: a layer does not match the manifest or the configuration, or a kept file lies behind a link.
        """
        tree = _Tree(keep)
        wanted = self.about["rootfs"]["diff_ids"]
        if len(wanted) != len(self.layers):
            raise LayoutError(f"{self.folder}: {len(self.layers)} layers, and the configuration names {len(wanted)}")
        for layer, content in zip(self.layers, wanted, strict=True):
            _apply(checked_blob(self.folder, layer["digest"]), content, tree)
        for name in tree.files:
            behind = {name, *map(str, PurePosixPath(name).parents)} & tree.links
            if behind:
                raise LayoutError(f"{name}: is or lies behind the link {min(behind)}, so it is not what is read here")
        return tree.files


def read_layout(folder: Path) -> Layout:
    """The image in a layout that holds exactly one.

    Raises:
        LayoutError: the layout holds none or several, or a document does not match its digest.
    """
    index = _document(folder / "index.json")
    entries = [one for one in index.get("manifests", ()) if not _is_signature(one)]
    if len(entries) != 1:
        raise LayoutError(f"{folder}: holds {len(entries)} images; one is wanted")
    digest = str(entries[0]["digest"])
    manifest = _document(checked_blob(folder, digest))
    if "layers" not in manifest:
        raise LayoutError(f"{folder}: {digest} is an index of several images; take one platform's")
    config = str(manifest["config"]["digest"])
    return Layout(folder, digest, config, _document(checked_blob(folder, config)), manifest["layers"])


def _is_signature(entry: Mapping[str, Any]) -> bool:
    """True if an entry of the index is a signature of an image, as cosign stores it."""
    return str(entry.get("annotations", {}).get("org.opencontainers.image.ref.name", "")).endswith(".sig")


def blob(folder: Path, digest: str) -> Path:
    """The path of a blob in a layout."""
    return folder / "blobs" / digest.replace(":", "/", 1)


def checked_blob(folder: Path, digest: str) -> Path:
    """The path of a blob in a layout, whose bytes were compared with its digest.

    Raises:
        LayoutError: it cannot be read, or was changed.
    """
    path = blob(folder, digest)
    try:
        found = file_digest(path)
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read: {error.strerror}") from error
    if digest != found:
        raise LayoutError(f"{path}: was changed: its bytes are {found}")
    return path


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise LayoutError(f"{path}: is no document of an image: {error}") from error
    if not isinstance(document, dict):
        raise LayoutError(f"{path}: is no document of an image")
    return document


def _apply(path: Path, wanted: str, tree: _Tree) -> None:
    """Applies one layer on top of those before it.

    Raises:
        LayoutError: the layer cannot be unpacked, or does not unpack to the digest `wanted`.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        content = _Hashed(gzip.GzipFile(fileobj=file) if packed else file)
        try:
            with tarfile.open(fileobj=cast("IO[bytes]", content), mode="r|") as layer:
                tree.new.clear()
                for member in layer:
                    tree.put(layer, member)
            content.drain()
        except (tarfile.TarError, EOFError, OSError) as error:
            raise LayoutError(f"{path}: is no layer, or one packed as nothing here unpacks: {error}") from error
    if content.digest() != wanted:
        raise LayoutError(f"{path}: unpacks to {content.digest()}, and the configuration names {wanted}")


class _Tree:
    """The view of a container after some layers: the files to keep, and the path of every link."""

    def __init__(self, keep: Callable[[str], bool]) -> None:
        self._keep = keep
        self.files: dict[str, bytes] = {}
        self.links: set[str] = set()
        #: Paths from the current layer; its whiteouts apply only to the layers below.
        self.new: set[str] = set()
        self._folders: set[PurePosixPath] = set()

    def put(self, layer: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Adds one member of a layer."""
        path = PurePosixPath("/", member.name).relative_to("/")
        if path.name == _OPAQUE:
            self._forget(path.parent, itself=False)
        elif path.name.startswith(_WHITEOUT):
            self._forget(path.with_name(path.name.removeprefix(_WHITEOUT)))
        elif member.isdir():
            self.links.discard(str(path))
        else:
            self._forget(path)
            self._write(layer, member, str(path))

    def _write(self, layer: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> None:
        self.new.add(name)
        self._folders.update(PurePosixPath(name).parents)
        if not member.isfile():
            self.links.add(name)
        if self._keep(name):
            content = layer.extractfile(member) if member.isfile() else None
            self.files[name] = content.read() if content is not None else b""

    def _forget(self, path: PurePosixPath, *, itself: bool = True) -> None:
        gone = {str(path)} if itself else set()
        if path in self._folders:  # rare; saves a search through all names for every file of an image
            gone.update(name for name in {*self.files, *self.links} if path in PurePosixPath(name).parents)
        for name in gone - self.new:
            self.files.pop(name, None)
            self.links.discard(name)


class _Hashed:
    """A stream that hashes the bytes read from it."""

    def __init__(self, file: gzip.GzipFile | IO[bytes]) -> None:
        self._file, self._hash = file, hashlib.sha256()

    def read(self, size: int = _CHUNK) -> bytes:
        content = self._file.read(size)
        self._hash.update(content)
        return content

    def drain(self) -> None:
        while self.read():
            pass

    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"
