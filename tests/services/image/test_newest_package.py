"""The package of the last training is found, or it is said what to run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import PackageError
from services.image.newest_package import newest_package


def test_the_package_is_that_of_the_last_training(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps({"package": "/somewhere/package"}))
    assert newest_package(tmp_path) == Path("/somewhere/package")
    (tmp_path / "result.json").write_text(json.dumps({"package": None, "message": "roc_auc too low"}))
    with pytest.raises(PackageError, match="made no package \\(roc_auc too low\\)"):
        newest_package(tmp_path)
