"""Brings files of this machine to the store that the cluster reads: a table, or a spec too long for a parameter.

Content lies under its digest, so nothing is written twice, and who uploads needs no more than to write.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import fsspec

from components.digest import file_digest
from components.errors import ComponentError
from components.store.content import write_whole

#: Progress is told at every such step, in percent, of a file that is large enough to wait for.
_STEP_PERCENT: Final = 10
_TOLD_BYTES: Final = 20_000_000
#: A store that does not answer is given up after so many seconds and tries.
_S3_PATIENCE: Final = {"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 2}}


class UploadError(ComponentError):
    """The store was not reached from this machine, or refused."""


class StoreFromHere:
    """The store at an address, as this machine reaches it with its own credentials."""

    def __init__(self, address: str, endpoint: str, say: Callable[[str], None]) -> None:
        """`endpoint` is the S3 server's address in the cluster; $AWS_ENDPOINT_URL_S3 is that from here."""
        self._address, self._endpoint, self._say = address.rstrip("/"), endpoint, say

    def keep_table(self, path: Path) -> str:
        """Uploads a table, unless it is there; returns its URI.

        Raises:
            UploadError: the store is not reached or refuses.
        """
        uri = f"{self._address}/tables/{file_digest(path).removeprefix('sha256:')}/{path.name}"
        self._keep(uri, path.stat().st_size, path.name, lambda files, target: self._put(files, path, target))
        return uri

    def keep_bytes(self, uri: str, content: bytes) -> None:
        """Writes bytes to a URI in the store, unless they are there.

        Raises:
            UploadError: the store is not reached or refuses.
        """
        self._keep(uri, len(content), uri.rpartition("/")[2], lambda files, target: files.pipe_file(target, content))

    def size(self, uri: str) -> int:
        """The size of a file anywhere, in bytes.

        Raises:
            UploadError: it is not found, or its store is not reached or refuses.
        """
        try:
            files, path = self._files(uri)
            return int(files.info(path)["size"] or 0)
        except Exception as error:  # each kind of store raises errors of its own
            raise UploadError(f"{uri}: {_reason(error)}") from error

    def _keep(self, uri: str, size: int, name: str, write: Callable[[Any, str], None]) -> None:
        try:
            files, path = self._files(uri)
            if _holds(files, path, size):
                self._say(f"{name}: is in the store already: {uri}")
                return
            write_whole(files, path, lambda target: write(files, target))
            self._say(f"{name}: uploaded {size:,} bytes to {uri}")
        except Exception as error:  # each kind of store raises errors of its own
            raise UploadError(
                f"{self._address}: cannot be written from this machine: {_reason(error)}; give this machine an address "
                "and credentials of the store (AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, or "
                "Google's), or upload the table yourself and name it: DATA=s3://..."
            ) from error

    def _put(self, files: Any, path: Path, target: str) -> None:
        files.put_file(str(path), target, callback=_Progress(path.name, self._say))

    def _files(self, uri: str) -> tuple[Any, str]:
        options: dict[str, Any] = {}
        if uri.startswith(("s3://", "s3a://")):
            options["config_kwargs"] = _S3_PATIENCE
            endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or self._endpoint
            if endpoint:
                options["endpoint_url"] = endpoint
        files, path = fsspec.core.url_to_fs(uri, **options)
        return files, path


class _Progress(fsspec.callbacks.Callback):  # type: ignore[misc]
    """Tells how much of a large file is uploaded."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        super().__init__()
        self._name, self._tell, self._told = name, say, 0

    def call(self, *_: object, **__: object) -> None:
        """Called by fsspec after every part."""
        if not self.size or self.size < _TOLD_BYTES:
            return
        percent = 100 * self.value // self.size // _STEP_PERCENT * _STEP_PERCENT
        if percent > self._told:
            self._told = percent
            self._tell(f"{self._name}: {percent} % of {self.size:,} bytes")


def _holds(files: Any, path: str, size: int) -> bool:
    """Whether the file is there as a whole; one that was cut off has another size."""
    try:
        return bool(files.info(path)["size"] == size)
    except FileNotFoundError:
        return False


def _reason(error: BaseException) -> str:
    said = str(getattr(error, "strerror", None) or error).strip() or type(error).__name__
    return said.splitlines()[0][:300]
