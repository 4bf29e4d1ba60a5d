"""How bytes are named everywhere: by their SHA-256."""

from __future__ import annotations

import hashlib


def sha256(content: bytes) -> str:
    """The digest of some bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()
