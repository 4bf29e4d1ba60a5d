"""OCI layouts written by hand, layer by layer."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: A file's bytes, a link's target as text, or None for a folder.
Entry = bytes | str | None


def layer(entries: Sequence[tuple[str, Entry]]) -> bytes:
    """A tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, entry in entries:
            member = tarfile.TarInfo(name)
            if isinstance(entry, bytes):
                member.size = len(entry)
            else:
                member.type = tarfile.DIRTYPE if entry is None else tarfile.SYMTYPE
                member.linkname = entry or ""
            archive.addfile(member, io.BytesIO(entry) if isinstance(entry, bytes) else None)
    return buffer.getvalue()


def write_layout(folder: Path, layers: Sequence[bytes], config: dict[str, Any] | None = None) -> Path:
    """Writes an image of these layers, with every other layer compressed."""
    (folder / "blobs" / "sha256").mkdir(parents=True)
    packed = [gzip.compress(content) if place % 2 else content for place, content in enumerate(layers)]
    about = {"rootfs": {"type": "layers", "diff_ids": [_digest(content) for content in layers]}, "config": config or {}}
    manifest = {
        "schemaVersion": 2,
        "config": {"digest": _blob(folder, json.dumps(about).encode())},
        "layers": [{"digest": _blob(folder, content)} for content in packed],
    }
    entry = {"digest": _blob(folder, json.dumps(manifest).encode())}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return folder


def _blob(folder: Path, content: bytes) -> str:
    digest = _digest(content)
    (folder / "blobs" / digest.replace(":", "/")).write_bytes(content)
    return digest


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
