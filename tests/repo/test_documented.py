"""Every key of the spec and every setting says what it is."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from components.spec.reading.loading import json_schema
from services.model_server.settings import PREFIX, Settings
from tests.repo.tree import texts

VARIABLE = re.compile(r"\bCANARIO_[A-Z][A-Z0-9_]*[A-Z0-9]\b")


def undocumented(schema: dict[str, Any]) -> list[str]:
    """Keys of a JSON schema, as model.key, that have no description, nor has the model that they hold."""
    models = {"spec": schema, **schema.get("$defs", {})}
    return sorted(
        f"{model}.{key}"
        for model, shape in models.items()
        for key, rule in shape.get("properties", {}).items()
        if not rule.get("description") and not models.get(_held(rule), {}).get("description")
    )


def _held(rule: dict[str, Any]) -> str:
    return str(rule.get("$ref", "")).rpartition("/")[2]


def strays(sources: dict[Path, str], settings: set[str]) -> dict[str, list[str]]:
    """Variables that are no setting of the server and are named in more than one file."""
    homes: dict[str, list[str]] = defaultdict(list)
    for path, text in sources.items():
        for name in set(VARIABLE.findall(text)) - settings:
            homes[name].append(str(path))
    return {name: paths for name, paths in homes.items() if len(paths) > 1}


def test_every_key_of_the_spec_is_documented() -> None:
    assert undocumented(json_schema()) == []


def test_every_setting_is_documented() -> None:
    assert undocumented(Settings.model_json_schema()) == []


def test_a_key_without_a_word_is_seen() -> None:
    class Inner(BaseModel):
        said: int = Field(description="It is said.")
        unsaid: int = 0

    class Told(BaseModel):
        """What it is."""

    class Outer(BaseModel):
        inner: Inner
        told: Told

    assert undocumented(Outer.model_json_schema()) == ["Inner.unsaid", "spec.inner"]


def test_every_variable_is_a_setting_or_has_one_home() -> None:
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    suffixes = {".py", ".sh", ".yaml", ".yml", ".md", ""}
    users = {"tests", ".ci"}  # they set variables, as a person's shell does
    sources = {path: text for path, text in texts() if path.suffix in suffixes and path.parts[0] not in users}
    assert strays(sources, settings) == {}


def test_a_variable_with_two_homes_is_seen() -> None:
    sources = {Path("a.py"): "CANARIO_NEW CANARIO_VERSION", Path("b.py"): "CANARIO_NEW CANARIO_VERSION CANARIO_ONE"}
    assert strays(sources, {"CANARIO_VERSION"}) == {"CANARIO_NEW": ["a.py", "b.py"]}
