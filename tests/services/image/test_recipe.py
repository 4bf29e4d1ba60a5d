"""The base is pinned and can be named; the record says what was built."""

from __future__ import annotations

import json
import re
from pathlib import Path

from services.image.recipe import BuiltImage, base_image, write_record


def test_the_base_is_pinned_by_its_digest() -> None:
    assert re.fullmatch(r"python:3\.11-slim@sha256:[0-9a-f]{64}", base_image(None, {}))


def test_a_given_base_wins_over_the_environments_and_the_pin() -> None:
    """A base that is given wins over the environment's, and the environment's over the pin."""
    environment = {"CANARIO_BASE_IMAGE": "from-environment"}
    assert base_image("given", environment) == "given"
    assert base_image(None, environment) == "from-environment"
    assert base_image(None, {"CANARIO_BASE_IMAGE": ""}).startswith("python:3.11-slim@sha256:")


def test_the_record_stands_under_the_last_part_of_the_name(tmp_path: Path) -> None:
    image = BuiltImage("registry.local/canario/churn", "0123", "sha256:1", "sha256:3", "sha256:2", 5, "python")
    path = write_record(tmp_path / "images", image)
    assert path == tmp_path / "images" / "churn.json"
    assert json.loads(path.read_text()) == {
        "name": "registry.local/canario/churn",
        "tag": "0123",
        "digest": "sha256:1",
        "id": "sha256:3",
        "package": "sha256:2",
        "size_bytes": 5,
        "base": "python",
    }
    assert [file.name for file in path.parent.iterdir()] == ["churn.json"]
