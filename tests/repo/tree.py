"""The files of this repository, as a clone of it would have them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.git_repository import git

ROOT = Path(__file__).parents[2]
#: The folders of our Python, in the order in which imports may run: a later one may import an earlier one.
LAYERS = ("components", "pipelines", "services", "k8s")


def files(suffix: str = "") -> list[Path]:
    """Files that are tracked or about to be, relative to the root; build outputs are neither."""
    names = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return [Path(name) for name in sorted(set(names)) if name.endswith(suffix) and name and (ROOT / name).is_file()]


def texts(suffix: str = "") -> Iterator[tuple[Path, str]]:
    """The files that are text, and their text."""
    for path in files(suffix):
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            yield path, content.decode("utf-8", errors="replace")


def imports(source: str) -> set[str]:
    """Modules that a Python source imports anywhere, also inside functions; `from a import b` gives a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def modules() -> dict[str, Path]:
    """Every Python module of ours by its dotted name."""
    return {_dotted(path): path for path in files(".py")}


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
