"""The launcher that stands for Kubeflow's refuses what that refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tests.pipelines import launch

_ROOT = "memory://bucket/root"
_COMPONENT = {"outputDefinitions": {"parameters": {"rows": {"parameterType": "NUMBER_INTEGER"}}}}
_WRITE = "pathlib.Path(outputs['parameters']['rows']['outputFile']).write_text('3')"
_TELL = "import json, pathlib, sys; given = json.loads(sys.argv[1]); outputs = given['outputs']"


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Artifacts lie in a folder of the test, and are uploaded to memory."""
    monkeypatch.setattr(launch, "_PLACES", {"memory://": f"{tmp_path}/memory/"})
    return tmp_path


def launched(folder: Path, code: str, uri: str = f"{_ROOT}/step/page") -> dict[str, Any]:
    artifacts = {"page": {"artifacts": [{"name": "page", "uri": uri}]}}
    parameters = {"rows": {"outputFile": f"{folder}/outputs/rows"}}
    outputs = {"artifacts": artifacts, "parameters": parameters, "outputFile": f"{folder}/told/all.json"}
    given = {"inputs": {"parameterValues": {"word": "here"}}, "outputs": outputs}
    return launch.launch(given, _COMPONENT, _ROOT, [sys.executable, "-c", f"{_TELL}; {code}", "{{$}}"])


def test_parameters_come_from_the_list_before_the_file(places: Path) -> None:
    assert launched(places, _WRITE) == {"rows": "3"}
    told = {"parameterValues": {"rows": 4}}
    listed = f"{_WRITE}; pathlib.Path(outputs['outputFile']).write_text({json.dumps(json.dumps(told))})"
    assert launched(places, listed) == {"rows": 4}


def test_a_parameter_that_was_not_written_is_a_failure(places: Path) -> None:
    with pytest.raises(launch.LaunchError, match='failed to read output parameter name="rows"'):
        launched(places, "pass")


def test_a_step_s_own_code_is_lost(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"outputs": {"artifacts": {}, "parameters": {}, "outputFile": f"{places}/all.json"}}
    words = ["--executor_input", json.dumps(given), "--component_spec", "{}", "--root", _ROOT]
    assert launch.main([*words, sys.executable, "-c", "raise SystemExit(3)"]) == 1
    assert "exit status 3" in capsys.readouterr().err
    assert launch.main([*words, sys.executable, "-c", "pass"]) == 0
    assert capsys.readouterr().out == f"{launch.TOLD}{{}}\n"


def test_an_artifact_is_uploaded_below_the_root(places: Path) -> None:
    launched(places, f"{_WRITE}; pathlib.Path({str(places / 'memory/bucket/root/step/page')!r}).write_text('seen')")
    with fsspec.open(f"{_ROOT}/step/page") as page:
        assert page.read() == b"seen"


def test_an_artifact_that_was_moved_is_refused(places: Path) -> None:
    moved = {"artifacts": {"page": {"artifacts": [{"name": "page", "uri": "memory://bucket/elsewhere/page"}]}}}
    tell = f"pathlib.Path(outputs['outputFile']).write_text({json.dumps(json.dumps(moved))})"
    with pytest.raises(launch.LaunchError, match="does not have expected bucket prefix"):
        launched(places, f"{_WRITE}; {tell}")


def test_an_artifact_in_no_store_is_refused(places: Path) -> None:
    with pytest.raises(launch.LaunchError, match="unsupported storage scheme"):
        launched(places, "pass", uri="file:///tmp/page")


def test_an_artifact_that_was_not_written_is_a_warning(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launched(places, _WRITE) == {"rows": "3"}
    assert "does not exist" in capsys.readouterr().err


def test_another_placeholder_is_refused(places: Path) -> None:
    outputs = {"artifacts": {}, "parameters": {}, "outputFile": f"{places}/all.json"}
    with pytest.raises(launch.LaunchError, match=r"inputs\.parameters"):
        launch.launch({"outputs": outputs}, {}, _ROOT, ["echo", "{{$.inputs.parameters['word']}}"])
