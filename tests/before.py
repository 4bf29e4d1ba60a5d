"""A package that commit 96f05a9 wrote, from its own small table: schema 1, of the first stable code."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "packages" / "schema_1"
DIGEST: Final = "sha256:0529b6354c5014842db1a0aaf1c4cda23a6aad38097441d40272a250b4fe1e7d"
