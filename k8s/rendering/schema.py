"""Writes the chart's generated files: schema, default values, the README's table, the names of the server's settings.

python -m k8s.rendering.schema           lists the files that are out of date
python -m k8s.rendering.schema --write   writes them
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from k8s.cluster.helm import CHART
from k8s.rendering.values import Values
from services.model_server.settings import PREFIX, Settings

_BEGIN: Final = "<!-- values: written by `python -m k8s.rendering.schema --write` -->\n"
_END: Final = "<!-- end of values -->\n"


def json_schema() -> dict[str, Any]:
    """The JSON schema of the values; Helm checks every install and lint against it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Values.model_json_schema(by_alias=True)}


def default_values() -> str:
    """The text of `values.yaml`: every key with a default and its description; its head names the other keys."""
    lines = ["# Written from k8s/rendering/values.py. Without a default: " + ", ".join(_required()) + ".\n"]
    for key, field in _keys(Values):
        if not field.is_required():
            document = {key: _plain(field.get_default(call_default_factory=True))}
            lines.append(f"\n# {field.description}\n{yaml.safe_dump(document, sort_keys=False)}")
    return "".join(lines)


def values_table() -> str:
    """The README's table: one row for each key, with parts below their whole."""
    rows = ["| value | default | what it is |", "| --- | --- | --- |"]
    rows += [f"| `{key}` | {default} | {description} |" for key, default, description in _rows(Values, "")]
    return "\n".join(rows) + "\n"


def setting_names() -> str:
    """Every variable that the model server reads, one a line."""
    return "".join(f"{PREFIX}{field.upper()}\n" for field in Settings.model_fields)


def readme(text: str) -> str:
    """The README's text with an up-to-date table."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{values_table()}{_END}{after}"


def generated() -> dict[Path, str]:
    """Every generated file and its expected content."""
    page = CHART / "README.md"
    return {
        CHART / "values.schema.json": json.dumps(json_schema(), indent=2) + "\n",
        CHART / "values.yaml": default_values(),
        CHART / "files" / "settings.txt": setting_names(),
        page: readme(page.read_text(encoding="utf-8")),
    }


def _required() -> list[str]:
    return [key for key, field in _keys(Values) if field.is_required()]


def _keys(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    return [(field.alias or name, field) for name, field in model.model_fields.items()]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _rows(model: type[BaseModel], prefix: str) -> list[tuple[str, str, str]]:
    rows = []
    for key, field in _keys(model):
        part = _part(field)
        shown = "" if field.is_required() else f"`{json.dumps(_plain(field.get_default(call_default_factory=True)))}`"
        rows.append((prefix + key, "" if part and shown not in ("`null`", "`[]`") else shown, field.description or ""))
        rows += _rows(part, f"{prefix}{key}.") if part else []
    return rows


def _part(field: FieldInfo) -> type[BaseModel] | None:
    """The model that a key holds; None if it holds something else."""
    options = [field.annotation, *getattr(field.annotation, "__args__", ())]
    return next((option for option in options if isinstance(option, type) and issubclass(option, BaseModel)), None)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when a file is not up to date."""
    parser = argparse.ArgumentParser(prog="python -m k8s.rendering.schema", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the files")
    write = parser.parse_args(arguments).write
    stale = {path: text for path, text in generated().items() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in stale.items():
        if write:
            path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(CHART.parents[1])} {'written' if write else 'is not up to date'}\n")
    return 1 if stale and not write else 0


if __name__ == "__main__":
    sys.exit(main())
