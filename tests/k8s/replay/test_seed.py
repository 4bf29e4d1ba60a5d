"""The seed speaks to the registry of the commit that is replayed, old or new."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from k8s.replay import seed

#: A registry that notes what it is asked for.
REGISTRY = """
import json, types

def connect(uri):
    run = types.SimpleNamespace(info=types.SimpleNamespace(run_id="run"))
    return types.SimpleNamespace(create_experiment=lambda name: name, create_run=lambda experiment: run)

def register_version(client, name, package, run, tags):
    print(json.dumps(["register", name, package, run, tags]))
    return types.SimpleNamespace(version="1")

def promote(uri, name, version):
    print(json.dumps(["promote", uri, name, version]))
"""
GIVEN = {"mlflow": "sqlite:///x", "name": "churn", "package": "file:///p", "tags": {"a": "b"}}


def run(tree: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    command = [sys.executable, "-P", str(seed.__file__)]
    return subprocess.run(
        command, cwd=tree, env=environment, input=json.dumps(GIVEN), capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("file", ["components/registry/model_registry.py", "components/registry.py"])
def test_the_registry_of_old_and_new_commits_is_found(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(REGISTRY)
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        ["register", "churn", "file:///p", "run", {"a": "b"}],
        ["promote", "sqlite:///x", "churn", "1"],
    ]


def test_a_broken_new_registry_is_not_taken_for_an_old_one(tmp_path: Path) -> None:
    """A library that is missing in the new registry is the error, and not that there is no old one."""
    file = tmp_path / "components/registry/model_registry.py"
    file.parent.mkdir(parents=True)
    file.write_text("import a_library_that_is_missing\n")
    done = run(tmp_path)
    assert done.returncode == 1
    assert "No module named 'a_library_that_is_missing'" in done.stderr
