"""The program of a release, made from a real package."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.releases.release_file import Release
from components.spec.contract import Rollout, Shadow
from k8s.twin.serving import BentoPrograms, shadow_settings
from services.model_server.settings import read_settings
from tests.services.model_server.served import small_bento
from tests.small_package import write_small_package


@pytest.mark.parametrize(("interval", "seconds"), [(3, 3), (0.2, 0.5)])
def test_labels_are_counted_by_the_turns_of_the_rollout(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, interval: float, seconds: float
) -> None:
    package = write_small_package(tmp_path / "package")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "bento").symlink_to(small_bento(tmp_path_factory).parents[2])
    programs = BentoPrograms(tmp_path / "home", lambda _digest: package.path, interval)
    program = programs(Release(service="small", version="1", package=package.digest), 3000, ("127.0.0.1:3001",))
    assert program.environment is not None
    assert float(program.environment["CANARIO_LABEL_SLOT_SECONDS"]) == seconds


def test_each_version_sends_copies_to_the_other_slot() -> None:
    """With shadow-then-canary each version sends copies to the other slot, at a path that takes them."""
    slots = ("127.0.0.1:3000", "127.0.0.1:3001")
    rollout = Rollout(
        strategy="shadow-then-canary", label_maturity_minutes=2, shadow=Shadow(ratio=0.5, slices=("plan", "kind"))
    )
    settings = read_settings({"CANARIO_PACKAGE": "package"} | shadow_settings(rollout, 3001, slots))
    assert settings.shadow_url == "http://127.0.0.1:3000/shadow"
    assert (settings.shadow_first, settings.shadow_candidate, settings.shadow_mature_seconds) == (True, False, 120)
    assert (settings.shadow_ratio, settings.shadow_slices) == (0.5, ("plan", "kind"))
    assert shadow_settings(Rollout(), 3001, slots) == {}
