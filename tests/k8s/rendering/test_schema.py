"""What is generated for the chart from the types."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from k8s.rendering.environment_files import merged
from k8s.rendering.schema import default_values, json_schema, readme, values_table
from k8s.rendering.values import Values

REQUIRED: dict[str, Any] = {
    "name": "small",
    "version": "1",
    "package": "sha256:" + "0" * 64,
    "image": {"repository": "registry.local/canario/small", "tag": "1"},
}


def test_the_defaults_are_values() -> None:
    values = {**yaml.safe_load(default_values()), **REQUIRED}
    assert Values.model_validate(values) == Values.model_validate(REQUIRED)


@pytest.mark.parametrize(
    "differences",
    [
        {"nmae": "small"},
        {"scale": {"mni": 2}},
        {"image": {"repository": "Registry"}},
        {"monitoring": {"service_monitor": True}},
        {"objectives": {"availability": 1}},
        {"gpus": -1},
    ],
)
def test_a_value_that_makes_no_sense_is_refused(differences: dict[str, Any]) -> None:
    values = merged(REQUIRED, differences)
    with pytest.raises(ValueError, match="validation error"):
        Values.model_validate(values)


def test_every_object_of_the_schema_is_closed() -> None:
    schema = json_schema()
    parts = [schema, *schema["$defs"].values()]
    assert all(part["additionalProperties"] is False for part in parts if part.get("type") == "object")
    assert '"additionalProperties": true' not in json.dumps(schema)


def test_the_table_has_a_row_for_every_key() -> None:
    rows = values_table().splitlines()
    assert "| `scale.max` | `10` | Most replicas. |" in rows
    assert "| `name` |  | Spec: the service's name. |" in rows


def test_the_readme_keeps_what_is_around_its_table() -> None:
    text = readme(
        "before\n<!-- values: written by `python -m k8s.rendering.schema --write` -->\n"
        "old table\n<!-- end of values -->\nafter\n"
    )
    assert text.startswith("before\n<!--")
    assert text.endswith("<!-- end of values -->\nafter\n")
    assert "old table" not in text
    assert readme(text) == text
