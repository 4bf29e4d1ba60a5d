"""The environments are one composition: only sizes.json, which each reads, makes them differ."""

from __future__ import annotations

import pytest

from tests.repo.tree import ROOT

ENVIRONMENTS = ROOT / "terraform" / "envs"


@pytest.mark.parametrize("file", ["main.tf", "outputs.tf", "variables.tf"])
def test_environments_differ_in_nothing_but_their_name_and_their_sizes(file: str) -> None:
    staging, production = ((ENVIRONMENTS / name / file).read_text() for name in ("staging", "production"))
    assert staging.replace("staging", "production") == production
