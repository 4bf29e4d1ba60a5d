from __future__ import annotations

from pathlib import Path

import pytest

from tests.shared import made_once


def test_a_folder_is_made_once(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> None:
    made = []

    def make(folder: Path) -> None:
        (folder / "file").write_text("it", encoding="utf-8")
        made.append(folder)

    first = made_once(tmp_path_factory, request.node.name, make)
    assert made_once(tmp_path_factory, request.node.name, make) == first
    assert made == [first]
    assert (first / "file").read_text(encoding="utf-8") == "it"


def test_a_making_that_failed_is_begun_anew(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        made_once(tmp_path_factory, request.node.name, fail)
    folder = made_once(tmp_path_factory, request.node.name, lambda folder: (folder / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]
