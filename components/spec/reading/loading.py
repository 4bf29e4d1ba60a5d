"""Reads `service.yaml` into the spec's types, and says clearly what is wrong in it.

    python -m components.spec.reading.loading > services/service.schema.json

writes the JSON schema by which editors complete and check a spec.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from components.errors import SpecError
from components.spec.contract import Spec
from components.spec.reading.strict_yaml import load_yaml

#: The part that pydantic appends to a location for each type it tried, and the words to show instead.
_TRIED = {
    "bool": "a value is text in quotes, a whole number, true or false",
    "int": "a value is text in quotes, a whole number, true or false",
    "str": "a value is text in quotes, a whole number, true or false",
    "date": "a day or time is ISO 8601, such as 2024-03-31",
    "datetime": "a day or time is ISO 8601, such as 2024-03-31",
}

_KINDS = "number, category or date"


def load_spec(path: Path) -> Spec:
    """The spec in a file. A `data.uri` without a scheme is taken relative to the file and made absolute.

    Raises:
        SpecError: the file is missing, not YAML or not a spec; names every fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpecError(f"{path}: {reason}. `make new` writes a first spec.") from error
    spec = parse_spec(text, str(path))
    if "://" in spec.data.uri:
        return spec
    uri = str((path.parent / spec.data.uri).resolve())
    return spec.model_copy(update={"data": spec.data.model_copy(update={"uri": uri})})


def parse_spec(text: str, name: str) -> Spec:
    """The spec in a YAML text; messages call the text `name`.

    Raises:
        SpecError: the text is not YAML or not a spec; names every fault.
    """
    try:
        document = load_yaml(text)
    except ValueError as error:
        raise SpecError(f"{name}: {error}") from error
    if not isinstance(document, dict):
        raise SpecError(f"{name}: a spec is a mapping with the keys {', '.join(Spec.model_fields)}")
    try:
        return Spec.model_validate(document)
    except ValidationError as error:
        lines = dict.fromkeys(filter(None, map(_sentence, error.errors(include_url=False))))
        raise SpecError("\n".join(f"{name}: {line}" for line in lines)) from error


def json_schema() -> dict[str, Any]:
    """The JSON schema of the spec, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Spec.model_json_schema()}


# --- sentences about faults -----------------------------------------------------------


def _sentence(fault: ErrorDetails) -> str:
    """The place of a fault and what is wrong there; empty if another fault says it better."""
    location, given = fault["loc"], fault["input"]
    if fault["type"] == "extra_forbidden":
        return f"{_place(location)}: unknown key{_nearest(location)}"
    if fault["type"] == "too_short" and given:
        return ""  # the items present are wrong and have faults of their own
    if _is_tried(location):
        return f"{_place(location[:-1])}: {_TRIED[str(location[-1])]}{_shown(given)}"
    return ": ".join(filter(None, [_place(location), _message(fault)])) + _shown(given)


def _is_tried(location: tuple[int | str, ...]) -> bool:
    """True if the last part is a type that pydantic tried for a value, rather than a key of the file."""
    depth = {"data": 2, "features": 4}.get(str(location[0]), len(location)) if location else 0
    return len(location) > depth and location[-1] in _TRIED


def _shown(given: object) -> str:
    """The value in the file, shortened if long; empty for a mapping."""
    text = repr(given)
    return "" if isinstance(given, Mapping) else f" (given: {text if len(text) <= 80 else text[:77] + '...'})"


def _message(fault: ErrorDetails) -> str:
    tag = fault.get("ctx", {}).get("tag")
    if fault["loc"][-1:] == ("[key]",) and fault["type"] != "literal_error":
        return "a key is text; write it in quotes"
    sentences = {
        "union_tag_not_found": f"a feature needs a type: {_KINDS}",
        "union_tag_invalid": f"type {tag!r} is unknown; allowed: {_KINDS}",
        "missing": "is missing; it has no default",
        "too_short": "needs at least one entry",
        "invalid_key": "a key is text; write it in quotes",
        **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "must be a mapping of keys to values"),
    }
    return sentences.get(fault["type"], fault["msg"].removeprefix("Value error, ").replace("Input should", "must"))


def _place(location: tuple[int | str, ...]) -> str:
    """The place in the file, without the feature's type, which pydantic inserts."""
    parts = location[:2] + location[3:] if location[:1] == ("features",) else location
    return ".".join(str(part) for part in parts if part != "[key]")


def _nearest(location: tuple[int | str, ...]) -> str:
    known = _known_keys(location[:-1])
    close = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; allowed: {', '.join(known)}" if known else ""


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys allowed at a place in the spec."""
    schema: dict[str, Any] = Spec.model_json_schema()
    definitions = schema.get("$defs", {})
    for part in location:
        schema = _resolve(schema, definitions, part)
    return list(schema.get("properties", {}))


def _resolve(schema: dict[str, Any], definitions: dict[str, Any], part: int | str) -> dict[str, Any]:
    """The schema of one key, item or feature type below a schema."""
    kinds = schema.get("discriminator", {}).get("mapping", {})
    if part in kinds:
        found = {"$ref": kinds[part]}
    elif isinstance(part, int):
        found = schema["items"]
    else:
        found = schema.get("properties", {}).get(part) or schema["additionalProperties"]
    reference = next((option for option in [found, *found.get("anyOf", [])] if "$ref" in option), None)
    return dict(definitions[reference["$ref"].rsplit("/", 1)[1]]) if reference else dict(found)


if __name__ == "__main__":
    json.dump(json_schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")
