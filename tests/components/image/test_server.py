"""The server's digest changes with each of its files and with nothing else; another server's answers do not count."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from components.errors import ModelImageError
from components.image.contents import ROOT
from components.image.golden_check import check_answers
from components.image.server import SERVER_SOURCES, server_digest, server_python, server_tag
from tests.small_package import write_small_package


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The server's files, elsewhere."""
    root = tmp_path / "tree"
    for file in SERVER_SOURCES.files():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, root / file)
    return root


def test_the_same_files_have_the_same_digest_anywhere(tree: Path) -> None:
    (tree / "components" / "ingest.py").write_text("not of the server")
    assert server_digest(tree) == server_digest()
    assert server_tag(tree) == server_digest().removeprefix("sha256:")[:12]


@pytest.mark.parametrize(
    "file",
    [
        "services/model_server/requirements.txt",
        "services/model_server/app.py",
        "services/model_server/shadow/mirror.py",
        "services/telemetry.py",
        "services/image/server.Containerfile",
        "components/features/encoding.py",
        "components/digest.py",
    ],
)
def test_each_changed_file_makes_another_server(tree: Path, file: str) -> None:
    (tree / file).write_bytes((tree / file).read_bytes() + b"\n")
    assert server_digest(tree) != server_digest()


def test_a_file_more_or_elsewhere_makes_another_server(tree: Path) -> None:
    (tree / "services/model_server/more.py").write_text("")
    more = server_digest(tree)
    (tree / "services/model_server/more.py").rename(tree / "services/model_server/other.py")
    assert len({more, server_digest(tree), server_digest()}) == 3


def test_an_environment_that_is_missing_is_said(tree: Path) -> None:
    with pytest.raises(ModelImageError, match=r"\.venv-server/bin/python .*`make setup` makes it"):
        server_python(tree, {})
    given = {"CANARIO_SERVER_PYTHON": sys.executable}
    assert server_python(tree, given) == Path(sys.executable)
    with pytest.raises(ModelImageError, match="/none/python"):
        server_python(ROOT, {"CANARIO_SERVER_PYTHON": "/none/python"})


def test_another_environment_than_the_locks_answers_nothing(tmp_path: Path) -> None:
    package = write_small_package(tmp_path / "package")
    with pytest.raises(ModelImageError, match=r"(?s)is installed as .*, and the lock says nothing.*and \d+ more"):
        check_answers(package.path, Path(sys.executable))
