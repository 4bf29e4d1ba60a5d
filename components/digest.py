"""How bytes are named everywhere: by their SHA-256."""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import Field

#: A digest as text.
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


def sha256(content: bytes) -> str:
    """The digest of some bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()
