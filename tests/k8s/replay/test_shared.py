"""Two people with one MLflow and one bucket: each has the other's champion, its data, its release and its replay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.package.model_package import read_package
from components.registry.model_registry import promote
from components.store.content import Kind, Store
from pipelines.fetch import main as fetch
from tests.components.mlflow_server import running_server
from tests.git_repository import git
from tests.k8s.replay.colleague import Colleague, committed_code
from tests.pipelines.s3_stand_in import S3StandIn, s3_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

_USER = "team"
_STORE = "s3://team/store"


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3StandIn]:
    """A store that both reach, by the variables of their shells."""
    with s3_server(_USER) as server, pytest.MonkeyPatch.context() as patch:
        settings = {"AWS_ACCESS_KEY_ID": _USER, "AWS_SECRET_ACCESS_KEY": "password", "AWS_ENDPOINT_URL_S3": server.url}
        for name, value in settings.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="module")
def two(bucket: S3StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Colleague, Colleague]]:
    """Ann, who trained version 1, which serves; and Ben, with a clone of her repository and nothing else."""
    with running_server(tmp_path_factory.mktemp("mlflow")) as mlflow:
        ann, ben = (Colleague(tmp_path_factory.mktemp(name), _STORE, mlflow) for name in ("ann", "ben"))
        committed_code(ann.home)
        git(ben.home, "clone", "-q", str(ann.code), "code")
        ann.train(600)
        promote(mlflow, "small", "1")
        yield ann, ben


def test_the_other_s_version_is_released_and_replayed(two: tuple[Colleague, Colleague], tmp_path: Path) -> None:
    ann, ben = two
    places = ["--spec", str(ann.home / "spec.yaml"), "--mlflow", ben.mlflow, "--store", _STORE]
    assert (
        fetch([*places, "--version", "1", "--home", str(tmp_path / "home"), "--copies", str(tmp_path / "copies")]) == 0
    )
    result = json.loads((tmp_path / "home" / "result.json").read_text(encoding="utf-8"))
    package = read_package(Path(result["package"]))
    assert package.digest == result["digest"]
    assert Store(str(tmp_path / "copies")).holds(Kind.SNAPSHOT, package.receipt.data)
    assert ben.replay("1") == 0
    assert ben.record("1")["verdict"] == "equal"


def test_a_champion_of_the_other_is_compared_with(two: tuple[Colleague, Colleague]) -> None:
    """Ben's version is compared with Ann's on his rows, and Ann replays that comparison."""
    ann, ben = two
    result = ben.train(700)
    assert (result["status"], result["model_version"]) == ("ok", "2")
    assert result["champion"] == json.loads((ann.build / "train" / "small" / "result.json").read_text())["digest"]
    assert ann.replay("2") == 0
    assert ann.record("2")["verdict"] == "equal"
