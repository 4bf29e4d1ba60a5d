"""What several tests of the judge start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.git.repository import Repository
from tests.services.judge.churn_release import FILE, asking


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    """An environment's repository with two releases of churn, of which the second is asked for."""
    repository = Repository.create(tmp_path / "remote.git")
    for version in ("1", "2"):
        repository.write(FILE, asking(version), f"Deploy churn {version}")
    return repository
