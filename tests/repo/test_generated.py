"""What a command writes is marked for Git and GitHub, and what people write is not."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from k8s.rendering.schema import generated
from tests.repo.tree import ROOT, files, texts

#: Places where a command writes every file, though none of them says so.
PLACES = ("k8s/envs/*/rendered/*", "tests/pipelines/golden/*", "tests/helm/kinds/*.json", "services/*.schema.json")
_SAYS_SO = re.compile(r"(?:#|<!--) Written (?:by|from) \S")
_HASH = re.compile(r"^ +--hash=sha256:", re.MULTILINE)


def is_written(path: Path, text: str) -> bool:
    """Whether a command writes the file: it says so at its top, is a lock file, or lies where nothing else does."""
    says_so = _SAYS_SO.match(text) is not None
    lock = path.suffix == ".txt" and _HASH.search(text) is not None
    return says_so or lock or any(path.match(place) for place in PLACES)


def marked(root: Path, paths: Iterable[Path], attribute: str) -> set[Path]:
    """Which of some files have an attribute in the `.gitattributes` of a working tree."""
    names = "\0".join(map(str, paths))
    command = ["git", "check-attr", "-z", "--stdin", attribute]
    done = subprocess.run(command, cwd=root, input=names, capture_output=True, text=True, check=True)
    words = done.stdout.split("\0")
    return {Path(name) for name, value in zip(words[::3], words[2::3], strict=False) if value == "set"}


def test_what_a_command_writes_is_marked_and_nothing_else_is() -> None:
    whole = {path.relative_to(ROOT) for path in generated() if path.suffix != ".md"}  # of a README only the table
    written = whole | {path for path, text in texts() if is_written(path, text)}
    assert len(written) > 50
    assert marked(ROOT, files(), "linguist-generated") == written


@pytest.mark.parametrize("attribute", ["eol", "text", "filter", "export-ignore", "merge"])
def test_the_marks_change_no_content(attribute: str) -> None:
    assert marked(ROOT, files(), attribute) == set()


@pytest.mark.parametrize(
    ("path", "text", "written"),
    [
        ("a.yaml", "# Written by `make render`; change that.\n", True),
        ("README.md", "<!-- Written by `make tf-documents` from the module's files -->\n", True),
        ("a.yaml", "a: 1\n# Written by hand\n", False),
        ("some/lock.txt", "a==1 \\\n    --hash=sha256:0\n", True),
        ("test_locks.py", 'LOCK = """\n    --hash=sha256:0"""\n', False),
        ("services/service.schema.json", "{}", True),
        ("helm/canario/values.schema.json", "{}", False),
    ],
)
def test_a_file_that_a_command_writes_is_seen(path: str, text: str, *, written: bool) -> None:
    assert is_written(Path(path), text) is written


def test_a_file_without_a_mark_is_seen(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".gitattributes").write_text("*.lock linguist-generated\nb.lock -linguist-generated\n")
    assert marked(tmp_path, [Path("a.lock"), Path("b.lock"), Path("c.txt")], "linguist-generated") == {Path("a.lock")}
