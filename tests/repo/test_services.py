"""No folder in services/ can become a model's by accident."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import SpecError
from components.profile.placing import refuse_taken
from tests.repo.tree import ROOT, files

SERVICES = ROOT / "services"


def folders() -> set[str]:
    """The folders in services/, as a clone of the repository has them."""
    return {path.parts[1] for path in files() if path.parts[0] == "services" and len(path.parts) > 2}


def allowed(services: Path, names: set[str]) -> set[str]:
    """Names that `make new` would take."""
    taken = set()
    for name in names:
        try:
            refuse_taken(services, name)
        except SpecError:
            taken.add(name)
    return names - taken


def test_make_new_refuses_the_name_of_every_folder_that_is_there() -> None:
    assert {"churn", "image", "judge", "signing"} <= folders()
    assert allowed(SERVICES, folders()) == set()


@pytest.mark.parametrize("name", ["attrition", "images"])
def test_a_name_that_no_folder_has_is_allowed(name: str) -> None:
    assert allowed(SERVICES, {name, "judge"}) == {name}
