"""The Makefile, and its targets."""

from __future__ import annotations

import re

from tests.repo.tree import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def targets(makefile: str) -> set[str]:
    """Targets that a person may call: those with an explanation."""
    return set(re.findall(r"^([a-z][a-z0-9-]*):.*## ", makefile, re.MULTILINE))
