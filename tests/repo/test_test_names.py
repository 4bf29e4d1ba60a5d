"""Tests have names that a person takes in at once, and no module of tests stands on another one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.repo.tree import ROOT, files, imports

MOST = 60


def sources() -> Iterator[tuple[Path, str]]:
    """Every Python file below tests, and its text."""
    for path in files(".py"):
        if path.parts[0] == "tests":
            yield path, (ROOT / path).read_text(encoding="utf-8")


def names_of_tests(source: str) -> list[str]:
    """The names of the tests that a source defines, also those in classes."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return [name for name in found if name.startswith("test")]


def from_tests(source: str) -> set[str]:
    """The modules of tests that a source imports."""
    return {name for name in imports(source) if any(part.startswith("test_") for part in name.split("."))}


def test_a_tests_name_has_at_most_60_characters() -> None:
    names = [(str(path), name) for path, source in sources() for name in names_of_tests(source)]
    assert len(names) > 1000
    long = [(path, name) for path, name in names if len(name) > MOST]
    assert long == [], "say it in fewer words, and the whole sentence in the docstring"


def test_no_module_of_tests_is_imported_by_another_file() -> None:
    found = {str(path): names for path, source in sources() if (names := from_tests(source))}
    assert found == {}, "put what both need into a module named after it"


def test_tests_are_seen_wherever_they_are() -> None:
    source = "def test_a(): ...\nclass TestB:\n    async def test_c(self): ...\ndef helper(): ...\n"
    assert names_of_tests(source) == ["test_a", "test_c"]


def test_an_import_from_a_module_of_tests_is_seen() -> None:
    source = "from tests.helm import test_canario, charts\ndef f():\n    import tests.repo.test_makefile as m\n"
    assert from_tests(source) == {"tests.helm.test_canario", "tests.repo.test_makefile"}
    assert from_tests("from tests.repo.makefile import targets\n") == set()
