"""Workflows run by act on this machine: no container, no network; only what needs a cloud or a cluster is left out.

`actions/checkout` is passed over by act itself, which runs in a copy of the tree; for the actions that set a program
up stand those in the folders of their names.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.git_repository import git
from tests.github.workflows import FOLDER
from tests.patience import patient
from tests.programs import program
from tests.repo.tree import ROOT, files
from tests.shared import made_once

ACT = Path(sys.executable).parent / "act"
_SECONDS = 110
_ENVIRONMENTS = (".venv", ".venv-server")


def _commit_tree(folder: Path) -> None:
    """Makes a repository with this tree in its first commit, and environments that run as this tree's do."""
    for path in files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, folder / path)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "the tree")
    git(folder, "gc", "--quiet")  # copies have one file then, instead of one for each object
    git(folder, "remote", "add", "origin", "https://github.com/example/canario.git")
    for name in _ENVIRONMENTS:
        (folder / name).mkdir()
        for path in (ROOT / name).iterdir():
            if path.name != "ready":
                (folder / name / path.name).symlink_to(path)
    with (folder / ".git" / "info" / "exclude").open("a", encoding="utf-8") as exclude:
        exclude.write("".join(f"{name}\n" for name in _ENVIRONMENTS))


def _stamps() -> list[int]:
    """When the environments that run this suite were last brought in line with their locks."""
    return [(ROOT / name / "ready").stat().st_mtime_ns for name in _ENVIRONMENTS]


@pytest.fixture
def tree(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository of this tree, which has no way to change the environments that run this suite.

    To act's copy of it the locks may seem newer than the environments. So the program that would install stands
    first on the PATH and only notes what it was asked for.
    """
    made = made_once(tmp_path_factory, "tree", _commit_tree)
    stamps = _stamps()
    (tmp_path / "installer").mkdir()
    program(tmp_path / "installer", "uv", f'echo "$@" >> {tmp_path}/installed')
    yield shutil.copytree(made, tmp_path / "tree", symlinks=True)
    assert _stamps() == stamps


def _environment(tree: Path, path: str = "") -> dict[str, str]:
    """The environment of whatever runs in the tree."""
    places = f"{path}{tree.parent / 'installer'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "HOME": str(tree.parent), "PATH": places}


def act(tree: Path, event: str, workflow: str, *options: str, payload: dict[str, Any], path: str = "") -> Any:
    """Runs jobs of a workflow; what act said is in the result."""
    (tree.parent / "event.json").write_text(json.dumps(payload))
    used = (FOLDER / "ci.yml").read_text(encoding="utf-8")
    pins = set(re.findall(r"uses: (\S+/(setup-[a-z]+)@[0-9a-f]{40})", used))
    assert pins
    stand_ins = [f"--local-repository={pin}={Path(__file__).parent / name}" for pin, name in pins]
    command = [
        str(ACT), event, "--workflows", f".github/workflows/{workflow}.yml", "--platform",
        "ubuntu-latest=-self-hosted", "--pull=false", "--use-gitignore=false", "--no-cache-server",
        *stand_ins, "--action-cache-path", str(tree.parent / "cache"),
        "--eventpath", str(tree.parent / "event.json"), *options,
    ]  # fmt: skip
    environment = _environment(tree, path)
    environment.pop("DOCKER_HOST", None)
    return subprocess.run(
        command, check=False, cwd=tree, env=environment, capture_output=True, text=True, timeout=patient(_SECONDS)
    )


def output(done: Any, name: str) -> str:
    """What a step gave as an output."""
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(rf"set-output:: {name}=(.*)", done.stdout)
    assert found, done.stdout
    return found[1]


def _make(folder: Path, fails: str) -> str:
    """A `make` that fails for one target only, before all others on the PATH."""
    folder.mkdir()
    (folder / "make").write_text(f'#!/bin/sh\n[ "$1" != "{fails}" ]\n')
    (folder / "make").chmod(0o755)
    return f"{folder}{os.pathsep}"


def test_a_newer_lock_changes_no_environment_of_this_suite(tree: Path) -> None:
    """A lock that is newer changes no environment that runs this suite."""
    for name in ("requirements.txt", "services/model_server/requirements.txt"):
        (tree / name).touch()
    subprocess.run(["make", "setup"], cwd=tree, env=_environment(tree), check=True, capture_output=True)
    asked = (tree.parent / "installed").read_text(encoding="utf-8").splitlines()
    assert [line.partition(" --python ")[2].split()[0] for line in asked] == [
        f"{name}/bin/python" for name in _ENVIRONMENTS
    ]
    for name in _ENVIRONMENTS:
        assert (tree / name / "ready").stat().st_mtime_ns > (ROOT / name / "ready").stat().st_mtime_ns


@pytest.mark.parametrize(("fails", "status"), [("none", 0), ("test", 1), ("test-charts", 1)])
def test_the_gate_opens_only_when_every_job_succeeded(tree: Path, tmp_path: Path, fails: str, status: int) -> None:
    done = act(tree, "pull_request", "ci", payload={}, path=_make(tmp_path / "bin", fails))
    assert done.returncode == status, done.stdout + done.stderr
    gate = [line for line in done.stdout.splitlines() if "[ci/gate" in line]
    assert any("Success - Main every job succeeded" in line for line in gate) == (status == 0)


def test_a_message_trains_the_service_that_it_names(tree: Path) -> None:
    payload = {"action": "train", "client_payload": {"service": "churn"}}
    done = act(tree, "repository_dispatch", "train", "--job", "decide", payload=payload)
    assert json.loads(output(done, "services")) == ["churn"]
    assert output(done, "reason") == "a message asked for it"


def test_a_message_with_a_command_in_it_runs_nothing(tree: Path) -> None:
    payload = {"action": "train", "client_payload": {"service": "churn; touch harmed"}}
    done = act(tree, "repository_dispatch", "train", "--job", "decide", payload=payload)
    assert done.returncode != 0
    assert "is not there; services are: churn" in done.stdout
    assert not (tree / "harmed").exists()


def test_a_push_of_data_trains_its_service(tree: Path) -> None:
    before = git(tree, "rev-parse", "HEAD")
    with (tree / "services" / "churn" / "telco_churn.csv").open("a", encoding="utf-8") as table:
        table.write("\n")
    git(tree, "commit", "--quiet", "--all", "--message", "new rows")
    payload = {"before": before, "after": git(tree, "rev-parse", "HEAD"), "ref": "refs/heads/main"}
    done = act(tree, "push", "train", "--job", "decide", payload=payload)
    assert json.loads(output(done, "services")) == ["churn"]
    assert output(done, "reason") == "the data of churn changed"


def test_a_merge_to_staging_is_followed_there(tree: Path) -> None:
    before = git(tree, "rev-parse", "HEAD")
    (tree / "k8s" / "envs" / "staging" / "churn.yaml").write_text("service: churn\n")
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", "release")
    payload = {"before": before, "after": git(tree, "rev-parse", "HEAD"), "ref": "refs/heads/main"}
    done = act(tree, "push", "deploy", "--job", "list", payload=payload)
    assert json.loads(output(done, "releases")) == [{"environment": "staging", "service": "churn"}]


def test_the_jobs_of_e2e_are_the_parts_of_the_tree(tree: Path) -> None:
    done = act(tree, "workflow_dispatch", "e2e", "--job", "list", payload={})
    there = sorted(path.stem.removeprefix("test_") for path in (ROOT / "tests" / "e2e").glob("test_*.py"))
    assert json.loads(output(done, "parts")) == there
