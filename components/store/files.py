"""Files of work in progress that belong together, such as a fitted model: each under its digest, and their list."""

from __future__ import annotations

import json
from collections.abc import Mapping

from components.store.content import Kind, Store


def keep_files(store: Store, files: Mapping[str, bytes]) -> str:
    """Keeps files by name; returns the digest of their list, which is the same for the same files.

    Raises:
        StoreError: the store refuses, or does not answer for minutes.
    """
    listed = {name: store.put(Kind.OBJECT, files[name]) for name in sorted(files)}
    return store.put(Kind.OBJECT, json.dumps(listed).encode())


def kept_files(store: Store, digest: str) -> dict[str, bytes]:
    """The files of a list with a digest, by name.

    Raises:
        StoreError: the list or a file is missing or was changed.
    """
    listed: dict[str, str] = json.loads(store.get(Kind.OBJECT, digest))
    return {name: store.get(Kind.OBJECT, content) for name, content in listed.items()}
