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
from pathlib import Path
from typing import Any

import pytest

from tests.github.workflows import FOLDER
from tests.patience import patient
from tests.repo.tree import ROOT, files

ACT = Path(sys.executable).parent / "act"
_SECONDS = 110


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with this tree in its first commit, and this tree's environments."""
    folder = tmp_path / "tree"
    for path in files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, folder / path)
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", "the tree")
    _git(folder, "remote", "add", "origin", "https://github.com/example/canario.git")
    for name in (".venv", ".venv-server"):
        (folder / name).symlink_to(ROOT / name)
    with (folder / ".git" / "info" / "exclude").open("a", encoding="utf-8") as exclude:
        exclude.write(".venv\n.venv-server\n")
    return folder


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
    environment = {**os.environ, "HOME": str(tree.parent), "PATH": f"{path}{os.environ['PATH']}"}
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
    before = _git(tree, "rev-parse", "HEAD")
    with (tree / "services" / "churn" / "telco_churn.csv").open("a", encoding="utf-8") as table:
        table.write("\n")
    _git(tree, "commit", "--quiet", "--all", "--message", "new rows")
    payload = {"before": before, "after": _git(tree, "rev-parse", "HEAD"), "ref": "refs/heads/main"}
    done = act(tree, "push", "train", "--job", "decide", payload=payload)
    assert json.loads(output(done, "services")) == ["churn"]
    assert output(done, "reason") == "the data of churn changed"


def test_a_merge_to_staging_is_followed_there(tree: Path) -> None:
    before = _git(tree, "rev-parse", "HEAD")
    (tree / "k8s" / "envs" / "staging" / "churn.yaml").write_text("service: churn\n")
    _git(tree, "add", "--all")
    _git(tree, "commit", "--quiet", "--message", "release")
    payload = {"before": before, "after": _git(tree, "rev-parse", "HEAD"), "ref": "refs/heads/main"}
    done = act(tree, "push", "deploy", "--job", "list", payload=payload)
    assert json.loads(output(done, "releases")) == [{"environment": "staging", "service": "churn"}]


def test_the_jobs_of_e2e_are_the_parts_of_the_tree(tree: Path) -> None:
    done = act(tree, "workflow_dispatch", "e2e", "--job", "list", payload={})
    there = sorted(path.stem.removeprefix("test_") for path in (ROOT / "tests" / "e2e").glob("test_*.py"))
    assert json.loads(output(done, "parts")) == there
