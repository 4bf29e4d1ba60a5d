"""Writes each module's README from its own files: `python -m terraform.documents`.

It reads only files formatted by `terraform fmt`, whose blocks begin and end at the start of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.files import write_atomically

HERE = Path(__file__).parent
_BLOCK = re.compile(r'^(variable|output) "([a-z_]+)" \{\n(.*?)^\}$', re.MULTILINE | re.DOTALL)
#: An argument, up to the next one of the same depth or a nested block.
_ARGUMENT = re.compile(r"^  ([a-z_]+) +?= (.*?)(?=^  [a-z_#]|\Z)", re.MULTILINE | re.DOTALL)
_RULE = re.compile(r'^    error_message = "(.*)"$', re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A variable or an output: its arguments as written, one line each, and the messages for wrong values."""

    kind: str
    name: str
    arguments: dict[str, str]
    rules: tuple[str, ...]


def blocks(text: str) -> Iterator[Block]:
    """The variables and outputs of a file."""
    for kind, name, body in _BLOCK.findall(text):
        arguments = {key: one_line(value) for key, value in _ARGUMENT.findall(body)}
        yield Block(kind, name, arguments, tuple(_RULE.findall(body)))


def one_line(value: str) -> str:
    """A value on one line; commas separate the lines of an object."""
    joined = ", ".join(line.strip() for line in value.strip().splitlines())
    return re.sub(r" {2,}", " ", re.sub(r"([({]),", r"\1", re.sub(r", (?=[)}])", " ", joined)))


def document(module: Path) -> str:
    """The README of a module: its purpose, its example, its inputs and its outputs."""
    found = [block for name in ("variables.tf", "outputs.tf") for block in blocks((module / name).read_text())]
    return "\n".join(
        [
            f"<!-- Written by `make tf-documents` from the module's files; change those. -->\n# {module.name}\n",
            first_comment((module / "main.tf").read_text()) + "\n",
            f"```hcl\n{(module / 'examples' / 'main.tf').read_text()}```\n",
            "| input | type | default | what it is |\n| --- | --- | --- | --- |",
            *(_input(block) for block in found if block.kind == "variable"),
            "\n| output | what it is |\n| --- | --- |",
            *(f"| `{block.name}` | {_description(block)} |" for block in found if block.kind == "output"),
            "",
        ]
    )


def first_comment(text: str) -> str:
    """The comment at the start of a file."""
    lines = iter(text.splitlines())
    return "\n".join(line.removeprefix("#").strip() for line in _while_comment(lines))


def _while_comment(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("#"):
            return
        yield line


def _input(block: Block) -> str:
    default = f"`{block.arguments['default']}`" if "default" in block.arguments else "needed"
    told = "<br>".join([_description(block), *block.rules])
    return f"| `{block.name}` | `{block.arguments['type']}` | {default} | {told} |"


def _description(block: Block) -> str:
    return block.arguments["description"].strip('"')


def stale(modules: Path) -> list[Path]:
    """The READMEs that are out of date."""
    return [file for file, text in _documents(modules) if not file.is_file() or file.read_text() != text]


def _documents(modules: Path) -> Iterator[tuple[Path, str]]:
    for main in sorted(modules.glob("*/main.tf")):
        yield main.parent / "README.md", document(main.parent)


def main() -> int:
    """Writes the READMEs that are out of date."""
    changed = stale(HERE / "modules")
    for file, text in _documents(HERE / "modules"):
        if file in changed:
            write_atomically(file, text)
            print(f"{file.relative_to(HERE.parent)} is written")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
