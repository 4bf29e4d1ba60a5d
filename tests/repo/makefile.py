"""The targets of make, and where they stand."""

from __future__ import annotations

import re

from tests.repo.tree import ROOT

FOR_PEOPLE = (ROOT / "Makefile").read_text(encoding="utf-8")
FOR_WORKFLOWS = (ROOT / ".ci" / "workflows.mk").read_text(encoding="utf-8")
MAKEFILE = FOR_PEOPLE + FOR_WORKFLOWS


def targets(makefile: str) -> set[str]:
    """Targets that a person may call: those with an explanation."""
    return set(re.findall(r"^([a-z][a-z0-9-]*):.*## ", makefile, re.MULTILINE))
