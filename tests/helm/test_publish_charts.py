"""The charts of a version are pushed once, where no tag may move, and signed again as often as somebody asks."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helm.charts import VERSION
from tests.programs import program
from tests.registry import Registry, registry
from tests.repo.tree import ROOT

pytestmark = pytest.mark.charts

CHARTS = ("canario", "model-service")
RUNBOOKS = {"canario": "JudgeDown", "model-service": "NothingServes"}


@pytest.fixture
def there() -> Iterator[Registry]:
    with registry(tags_move=False) as started:
        yield started


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The charts and the script; what cosign was asked to sign is in `signed`."""
    for folder in (".ci", "helm"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    program(tmp_path, "cosign", f"eval echo \\${{$#}} >> {tmp_path}/signed")
    return tmp_path


def published(tree: Path, there: Registry) -> subprocess.CompletedProcess[str]:
    home = {name: str(tree / "home") for name in ("HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
    environment = {"PATH": f"{tree}:{os.environ['PATH']}", "REGISTRY": f"{there.address}/canario", **home}
    command = [str(tree / ".ci" / "publish-charts")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_charts_are_published_again_and_again(tree: Path, there: Registry) -> None:
    pushed = []
    for _ in range(2):
        done = published(tree, there)
        assert done.returncode == 0, done.stderr
        pushed.append(there.counted("^(PUT|POST)"))
    digests = [next(iter(there.kept(f"canario/charts/{chart}").tags.values())) for chart in CHARTS]
    names = [f"{there.address}/canario/charts/{chart}@{digest}" for chart, digest in zip(CHARTS, digests, strict=True)]
    assert (tree / "signed").read_text().split() == [*names, *names]
    assert len((tree / "build/published/checksums.txt").read_text().splitlines()) == len(CHARTS)
    assert pushed[0] == pushed[1]
    for chart in CHARTS:
        with tarfile.open(tree / f"build/published/{chart}-{VERSION}.tgz") as package:
            packed = set(package.getnames())
        # All of it: its README, and the runbooks that its alerts name.
        files = [path for path in (tree / "helm" / chart).rglob("*") if path.is_file()]
        kept = {path.relative_to(tree / "helm").as_posix() for path in files}
        assert packed == kept > {f"{chart}/README.md", f"{chart}/runbooks/{RUNBOOKS[chart]}.md"}


def test_another_chart_under_the_same_version_is_refused(tree: Path, there: Registry) -> None:
    assert published(tree, there).returncode == 0
    (tree / "helm/canario/values.yaml").write_text("{}\n")
    done = published(tree, there)
    assert done.returncode == 1
    assert f"canario {VERSION} with other files; raise version in helm/canario/Chart.yaml" in done.stderr
