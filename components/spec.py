"""Reads `service.yaml` into the spec's types, and says clearly what is wrong with it."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from components.contract import Spec
from components.errors import SpecError


def load_spec(path: Path) -> Spec:
    """The spec in a file. `data.uri` without a scheme is made absolute, beside the file.

    Raises:
        SpecError: the file is not there, not YAML, or not a spec; every fault is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror or error}. `make new` writes a first spec.") from error
    spec = parse_spec(text, str(path))
    if "://" in spec.data.uri:
        return spec
    uri = str((path.parent / spec.data.uri).resolve())
    return spec.model_copy(update={"data": spec.data.model_copy(update={"uri": uri})})


def parse_spec(text: str, name: str) -> Spec:
    """The spec in a YAML text; `name` says in messages where the text came from."""
    try:
        document = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 -- a SafeLoader
    except yaml.YAMLError as error:
        raise SpecError(f"{name}: not YAML: {error}") from error
    if not isinstance(document, dict):
        raise SpecError(f"{name}: a spec is a mapping with the keys {', '.join(Spec.model_fields)}")
    try:
        return Spec.model_validate(document)
    except ValidationError as error:
        raise SpecError("\n".join(f"{name}: {line}" for line in _faults(error))) from error


class _UniqueKeys(yaml.SafeLoader):
    """YAML that refuses a key that stands twice, where the plain loader keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _faults(error: ValidationError) -> list[str]:
    lines = []
    for fault in error.errors(include_url=False):
        place = ".".join(str(part) for part in fault["loc"]) or "spec"
        if fault["type"] == "extra_forbidden":
            lines.append(f"{place}: unknown key{_nearest(fault['loc'])}")
        else:
            message = fault["msg"].removeprefix("Value error, ")
            given = "" if isinstance(fault["input"], dict) else f" (given: {fault['input']!r})"
            lines.append(f"{place}: {message}{given}")
    return lines


def _nearest(location: tuple[int | str, ...]) -> str:
    known = _known_keys(location[:-1])
    close = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; allowed: {', '.join(known)}" if known else ""


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that are allowed at a place of the spec."""
    schema: dict[str, Any] = Spec.model_json_schema()
    definitions = schema.get("$defs", {})
    for part in location:
        schema = _resolve(schema, definitions, part)
    return list(schema.get("properties", {}))


def _resolve(schema: dict[str, Any], definitions: dict[str, Any], part: int | str) -> dict[str, Any]:
    if part in schema.get("properties", {}):
        found = schema["properties"][part]
    elif isinstance(part, int):
        found = schema.get("items", {})
    elif part in schema.get("discriminator", {}).get("mapping", {}):
        found = {"$ref": schema["discriminator"]["mapping"][part]}
    else:
        found = schema.get("additionalProperties", {})
    if not isinstance(found, dict):
        return {}
    for option in found.get("anyOf", []):
        if "$ref" in option:
            found = option
    if "$ref" in found:
        found = definitions[found["$ref"].rsplit("/", 1)[1]]
    return dict(found)


def json_schema(model: type[BaseModel] = Spec) -> dict[str, Any]:
    """The JSON schema of the spec, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
