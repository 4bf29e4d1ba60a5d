"""The local runner refuses what Kubeflow's launcher refuses."""

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from pipelines.runner import RUNS, MovedArtifactError, Watch, run_graph
from tests.programs import program


@dsl.component(base_image="python", install_kfp_package=False)  # type: ignore[untyped-decorator]
def write(where: str, table: dsl.Output[dsl.Dataset]) -> None:
    """Writes a table where KFP says, or moves it to another place."""
    if where:
        table.uri = where
    with open(table.path, "w") as file:  # noqa: PTH123 -- a component of Kubeflow imports what it needs itself
        file.write("rows")


@pytest.fixture(autouse=True)
def _python_without_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KFP's own command, which no step of ours has, does not quote the path of Python."""
    program(tmp_path, "python3", f'exec {shlex.quote(sys.executable)} "$@"')
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))


def run(home: Path, where: str) -> Any:
    @dsl.pipeline(name="one-step")  # type: ignore[untyped-decorator]
    def graph(where: str) -> None:
        write(where=where)

    with (home / "run.log").open("w") as log:
        watch = Watch(log, lambda _name, _run: None, home / RUNS)
        run_graph(graph, {"where": where}, home, watch)
        return watch.steps[0].outputs["table"]


def test_an_artifact_within_the_run_is_taken(tmp_path: Path) -> None:
    assert Path(run(tmp_path, "").path).read_text() == "rows"


def test_an_artifact_that_was_moved_out_of_the_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MovedArtifactError, match=f"does not have expected prefix {tmp_path}"):
        run(tmp_path, str(tmp_path / "elsewhere"))
