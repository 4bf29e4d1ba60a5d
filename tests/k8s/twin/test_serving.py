"""The program of a release, made from a real package."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.releases.release_file import Release
from k8s.twin.serving import BentoPrograms
from tests.small_package import write_small_package


@pytest.mark.parametrize(("interval", "seconds"), [(3, 3), (0.2, 0.5)])
def test_labels_are_counted_by_the_turns_of_the_rollout(tmp_path: Path, interval: float, seconds: float) -> None:
    package = write_small_package(tmp_path / "package")
    programs = BentoPrograms(tmp_path / "home", lambda _digest: package.path, interval)
    program = programs(Release(service="small", version="1", package=package.digest), 3000, ("127.0.0.1:3001",))
    assert program.environment is not None
    assert float(program.environment["CANARIO_LABEL_SLOT_SECONDS"]) == seconds
