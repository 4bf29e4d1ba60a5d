from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import PackageError
from components.registry.package_store import named_package
from tests.components.trained_small import packaged, small_model


def test_the_package_of_a_champion_that_was_named_is_read(tmp_path: Path) -> None:
    written = packaged(tmp_path / "p", small_model())
    assert named_package("3", tmp_path / "p") == written


def test_no_name_alone_means_that_there_is_no_champion(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.touch()
    assert named_package("", nothing) is None


@pytest.mark.parametrize("there", ["nothing", "an empty file", "a folder without a model"])
def test_a_champion_with_an_unreadable_package_is_an_error(tmp_path: Path, there: str) -> None:
    """A champion with an unreadable package is an error, unlike the absence of a champion."""
    place = tmp_path / "p"
    if there == "an empty file":
        place.touch()
    elif there == "a folder without a model":
        packaged(place, small_model())
        (place / "model.onnx").unlink()
    with pytest.raises(
        PackageError, match=r"the champion is version 3, but its package cannot be read.*move the alias"
    ):
        named_package("3", place)
