"""The README's map names every folder, and no public class has the name of another."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.repo.rooms import ROOMS
from tests.repo.tree import ROOT, files

README = (ROOT / "README.md").read_text(encoding="utf-8")
#: Storeys whose folders the map names one by one.
STOREYS = ("components", "services", "k8s", "helm", "terraform")


def named(readme: str) -> set[str]:
    """The folders that the map names, each by its last name."""
    table = readme.partition("## The map")[2].partition("\n## ")[0]
    return {name.strip("/").rpartition("/")[2] for name in re.findall(r"`([a-z0-9_/-]+/)`", table)}


def folders(paths: Iterable[Path]) -> set[str]:
    """The folders that a newcomer sees: the top ones and the storeys' own; a model's data is not one of them."""
    models = {path.parts[:2] for path in paths if path.name == "service.yaml"}
    places = {path.parts[: 2 if path.parts[0] in STOREYS else 1] for path in paths if len(path.parts) > 2}
    places |= {path.parts[:1] for path in paths if len(path.parts) == 2}
    return {place[-1] for place in places - models if not place[0].startswith(".")}


def test_the_map_names_every_folder() -> None:
    assert folders(files()) - named(README) == set()


def test_a_folder_that_the_map_lacks_is_seen() -> None:
    new = [Path("components/cellar/wine.py"), Path("attic/box.py"), Path("services/loans/service.yaml")]
    assert folders(new) - named(README) == {"cellar", "attic"}


def test_the_map_names_no_folder_that_is_not_there() -> None:
    there = {part for path in files() for part in path.parts[:-1]}
    assert named(README) - there == set()


def public_classes(sources: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Each public class of some sources, and the file that defines it."""
    for file, source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, file


def twice(sources: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The names of public classes that are defined more than once, and where."""
    classes = list(public_classes(sources))
    count = Counter(name for name, _ in classes)
    return {name: [file for other, file in classes if other == name] for name in count if count[name] > 1}


def test_no_public_class_has_the_name_of_another() -> None:
    ours = {*ROOMS[""], "terraform"}
    sources = [(str(path), (ROOT / path).read_text(encoding="utf-8")) for path in files(".py") if path.parts[0] in ours]
    assert len(sources) > 200
    assert twice(sources) == {}


def test_a_name_that_stands_twice_is_seen() -> None:
    sources = [("a.py", "class Plan: ...\nclass _Plan: ...\n"), ("b.py", "class Plan: ...\nclass _Plan: ...\n")]
    assert twice(sources) == {"Plan": ["a.py", "b.py"]}


def doorplate(source: str) -> bool:
    """Whether a package says in two paragraphs what it is for, and what it imports."""
    paragraphs = (ast.get_docstring(ast.parse(source)) or "").split("\n\n")
    return len(paragraphs) == 2 and paragraphs[1].startswith("Imports ")


def test_every_package_says_what_it_is_for_and_what_it_imports() -> None:
    packages = [path for path in files("__init__.py") if path.parts[0] in ROOMS[""]]
    assert len(packages) > 30
    assert [str(path) for path in packages if not doorplate((ROOT / path).read_text(encoding="utf-8"))] == []


def test_a_package_without_a_doorplate_is_seen() -> None:
    assert not doorplate('"""A room."""\n')
    assert doorplate('"""A room.\n\nImports nothing.\n"""\n')
