import shutil
from pathlib import Path

import pytest

from tests.k8s.twin.report.small_demo import write_demo


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def demo(_finished: Path, tmp_path: Path) -> Path:
    """A demo that went right, which a test may change."""
    return Path(shutil.copytree(_finished, tmp_path / "demo"))
