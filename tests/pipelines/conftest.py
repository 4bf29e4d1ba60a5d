"""What the tests of Kubeflow Pipelines share: stand-ins of its API that are stopped, and a small spec's file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from components.spec.contract import Spec
from pipelines import submission
from pipelines.compile import compile_pipeline
from pipelines.pods import PodSettings
from tests.components.small_table import csv_of, small_frame, small_spec
from tests.pipelines.kubeflow_stand_in import KubeflowStandIn, Scene, Trouble
from tests.serving import serving

#: The graphs that were compiled, by what they were compiled of.
COMPILED: dict[str, str] = {}
#: Starts a stand-in that plays some looks.
Play = Callable[..., KubeflowStandIn]


@pytest.fixture
def play() -> Iterator[Play]:
    def start(*looks: Scene | Trouble, users: Mapping[str, str] | None = None) -> KubeflowStandIn:
        server = KubeflowStandIn(list(looks) or [Scene("SUCCEEDED")], users)
        started.enter_context(serving(server))
        return server

    with ExitStack() as started:
        yield start


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs the tests may be known to a real Kubeflow and a real store."""
    for name in ("KFP_ENDPOINT", "KFP_TOKEN", "KFP_COOKIE", "KFP_HEADER", "KF_PIPELINES_SA_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same spec gives the same graph, so that the tests of a worker compile it once."""

    def compiled(spec: Spec, image: str, pods: PodSettings) -> str:
        key = f"{spec!r} {image} {pods!r}"
        if key not in COMPILED:
            COMPILED[key] = compile_pipeline(spec, image, pods)
        return COMPILED[key]

    monkeypatch.setattr(submission, "compile_pipeline", compiled)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """The file of the small spec, with its table beside it."""
    (tmp_path / "small.csv").write_bytes(csv_of(small_frame(50)))
    path = tmp_path / "service.yaml"
    path.write_text(json.dumps(small_spec().model_dump(mode="json")), encoding="utf-8")
    return path


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The address of an empty store that is a folder."""
    (tmp_path / "store").mkdir()
    return f"file://{tmp_path}/store"
