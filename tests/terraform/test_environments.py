"""The environments are one composition: only sizes.json, which each reads, makes them differ."""

from __future__ import annotations

import pytest

from tests.repo.tree import ROOT

ENVIRONMENTS = ROOT / "terraform" / "envs"


@pytest.mark.parametrize("file", ["main.tf", "outputs.tf", "variables.tf"])
def test_environments_differ_only_in_their_name_and_sizes(file: str) -> None:
    """Environments differ in nothing but their name and their sizes."""
    staging, production = ((ENVIRONMENTS / name / file).read_text() for name in ("staging", "production"))
    assert staging.replace("staging", "production") == production
