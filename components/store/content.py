"""Keeps bytes and folders under their digest, in a folder or at an s3:// or gs:// address.

Content never changes under its digest, so it is written at most once, can be written again after a broken-off try,
and is checked at every read.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar

import fsspec

from components.digest import sha256
from components.errors import StoreError
from components.store.patience import patiently

Answer = TypeVar("Answer")


class Kind(Enum):
    """What content is; the value is its folder in the store and the ending of its name."""

    SNAPSHOT = ("snapshots", ".parquet")
    PACKAGE = ("packages", "")
    SPEC = ("specs", ".json")
    OBJECT = ("objects", "")


#: The file of a folder that is written last, so that a folder that has it is whole.
LAST_FILE: Final = "receipt.json"


@dataclass(frozen=True)
class Store:
    """A store at a folder, a file:// URI or the URI of a bucket, such as s3://bucket/folder."""

    address: str

    def uri(self, kind: Kind, digest: str) -> str:
        """The URI of content with a digest."""
        folder, ending = kind.value
        return f"{self.address.rstrip('/')}/{folder}/{digest.removeprefix('sha256:')}{ending}"

    def holds(self, kind: Kind, digest: str) -> bool:
        """Whether the content is there; for a folder, whether it is there as a whole."""
        uri = self.uri(kind, digest)
        return self._ask(lambda: _exists(f"{uri}/{LAST_FILE}" if kind is Kind.PACKAGE else uri), uri)

    def put(self, kind: Kind, content: bytes) -> str:
        """Keeps bytes, unless they are there; returns their digest.

        Raises:
            StoreError: the store refuses, or does not answer for minutes.
        """
        digest = sha256(content)
        if not self.holds(kind, digest):
            uri = self.uri(kind, digest)
            self._ask(lambda: _write(uri, content), uri)
        return digest

    def get(self, kind: Kind, digest: str) -> bytes:
        """The bytes with a digest.

        Raises:
            StoreError: they are missing or were changed, or the store does not answer for minutes.
        """
        uri = self.uri(kind, digest)
        content = self._ask(lambda: _read(uri), uri)
        if sha256(content) != digest:
            raise StoreError(f"{uri}: was changed: its bytes are {sha256(content)}; put the right file back")
        return content

    def put_folder(self, kind: Kind, digest: str, folder: Path) -> None:
        """Keeps a folder's files, unless they are there.

        The file `LAST_FILE`, if there is one, comes last. The caller names the digest, which the files derive from.

        Raises:
            StoreError: the store refuses, or does not answer for minutes.
        """
        if self.holds(kind, digest):
            return
        files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.name == LAST_FILE)
        for path in files:
            uri = f"{self.uri(kind, digest)}/{path.relative_to(folder).as_posix()}"
            content = path.read_bytes()
            self._ask(lambda uri=uri, content=content: _write(uri, content), uri)  # type: ignore[misc]

    def get_folder(self, kind: Kind, digest: str, folder: Path) -> Path:
        """Copies a folder's files to `folder`, which does not exist yet; returns it. The caller checks the digest.

        Raises:
            StoreError: the folder is missing, or the store does not answer for minutes.
        """
        uri = self.uri(kind, digest)
        draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
        try:
            self._ask(lambda: _copy_here(uri, draft), uri)
            return draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def write(self, name: str, content: bytes) -> None:
        """Keeps bytes under a name such as `trainings/a/result.json`, and replaces what is there.

        A name is for work in progress. What is to last goes under its digest.

        Raises:
            StoreError: the store refuses, or does not answer for minutes.
        """
        uri = self._named(name)
        self._ask(lambda: _write(uri, content), uri)

    def read(self, name: str) -> bytes | None:
        """The bytes under a name; None if there are none.

        Raises:
            StoreError: the store refuses, or does not answer for minutes.
        """
        uri = self._named(name)
        return self._ask(lambda: _read(uri) if _exists(uri) else None, uri)

    def remove(self, name: str) -> None:
        """Removes a name, or all names in a folder.

        Raises:
            StoreError: the store refuses, or does not answer for minutes.
        """
        uri = self._named(name)
        self._ask(lambda: _remove(uri), uri)

    def _named(self, name: str) -> str:
        return f"{self.address.rstrip('/')}/{name}"

    def local(self, kind: Kind, digest: str) -> Path | None:
        """The path of content if the store is a folder of this machine, else None."""
        files, path = fsspec.core.url_to_fs(self.uri(kind, digest))
        return Path(path) if _is_local(files) else None

    def _ask(self, ask: Callable[[], Answer], uri: str) -> Answer:
        with _told(uri):
            return patiently(ask, uri)


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """Turns the errors of each kind of store into one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise StoreError(f"{uri}: is not in the store; bring it back, or name the store that has it") from error
    except StoreError:
        raise
    except Exception as error:  # each kind of store raises errors of its own
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise StoreError(f"{uri}: the store refuses: {reason}") from error


def _exists(uri: str) -> bool:
    files, path = fsspec.core.url_to_fs(uri)
    files.invalidate_cache()
    return bool(files.exists(path))


def _read(uri: str) -> bytes:
    files, path = fsspec.core.url_to_fs(uri)
    return bytes(files.cat_file(path))


def _write(uri: str, content: bytes) -> None:
    files, path = fsspec.core.url_to_fs(uri)
    write_whole(files, path, lambda target: files.pipe_file(target, content))


def write_whole(files: Any, path: str, write: Callable[[str], None]) -> None:
    """Has a file written that is whole or absent: a bucket sees to that itself, a folder needs a draft.

    Args:
        files: a file system of fsspec.
        path: the file's path in it.
        write: writes the file to the path that it is given.
    """
    if not _is_local(files):
        write(path)
        return
    files.makedirs(files._parent(path), exist_ok=True)
    draft = Path(f"{path}.{uuid.uuid4().hex[:8]}.draft")
    try:
        write(str(draft))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _remove(uri: str) -> None:
    files, path = fsspec.core.url_to_fs(uri)
    files.invalidate_cache()
    if files.exists(path):
        files.rm(path, recursive=True)


def _copy_here(uri: str, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    files, path = fsspec.core.url_to_fs(uri)
    files.invalidate_cache()
    names = files.find(path)
    if not names:
        raise FileNotFoundError(uri)
    for name in names:
        target = folder / name[len(path.rstrip("/")) + 1 :]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(files.cat_file(name))


def _is_local(files: Any) -> bool:
    return "file" in ((files.protocol,) if isinstance(files.protocol, str) else files.protocol)
