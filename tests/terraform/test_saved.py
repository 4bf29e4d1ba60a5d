"""A saved plan goes through the state's bucket, and only the one that was looked at comes back."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.programs import program
from tests.repo.tree import ROOT

COMMIT = "c" * 40


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with the script and a plan, and a gcloud whose bucket is a folder."""
    (tmp_path / ".ci").mkdir()
    shutil.copy2(ROOT / ".ci" / "tf-saved", tmp_path / ".ci")
    (tmp_path / "build" / "terraform").mkdir(parents=True)
    (tmp_path / "build" / "terraform" / "staging.tfplan").write_text("a plan")
    (tmp_path / "bin").mkdir()
    bucket = f'from="${{4#gs:/}}" to="${{5#gs:/}}"; [ "$from" = "$4" ] || from={tmp_path}$from'
    bucket += f'; [ "$to" = "$5" ] || to={tmp_path}$to; mkdir -p "$(dirname "$to")"; cp "$from" "$to"; echo copied'
    program(tmp_path / "bin", "gcloud", bucket)
    return tmp_path


def saved(tree: Path, *words: str, state: str = "bucket") -> subprocess.CompletedProcess[str]:
    settings = {"PATH": f"{tree / 'bin'}:{os.environ['PATH']}", "STATE": state}
    command = ["bash", ".ci/tf-saved", *words]
    return subprocess.run(command, cwd=tree, env=settings, capture_output=True, text=True, check=False)


def test_a_plan_comes_back_by_its_digest(tree: Path) -> None:
    kept = saved(tree, "keep", "staging", COMMIT)
    assert kept.returncode == 0, kept.stderr
    name, _, digest = kept.stdout.strip().partition("=")
    assert (name, len(digest)) == ("staging", 64), "nothing else may stand in a workflow's output"
    assert (tree / "bucket" / "plans" / "staging" / COMMIT).read_text() == "a plan"
    plan = tree / "build" / "terraform" / "staging.tfplan"
    plan.unlink()
    assert saved(tree, "fetch", "staging", COMMIT, digest).returncode == 0
    assert plan.read_text() == "a plan"


@pytest.mark.parametrize("known", [True, False])
def test_a_plan_that_somebody_put_in_its_place_is_not_applied(tree: Path, known: bool) -> None:
    digest = saved(tree, "keep", "staging", COMMIT).stdout.strip().partition("=")[2]
    if known:
        (tree / "bucket" / "plans" / "staging" / COMMIT).write_text("another plan")
    done = saved(tree, "fetch", "staging", COMMIT, digest if known else "")
    assert done.returncode == 1
    assert f"gs://bucket/plans/staging/{COMMIT} is not the plan that this run made" in done.stderr
    assert not (tree / "build" / "terraform" / "staging.tfplan").exists()


def test_without_a_bucket_nothing_is_kept(tree: Path) -> None:
    done = saved(tree, "keep", "staging", COMMIT, state="")
    assert done.returncode != 0
    assert "names the bucket of the state" in done.stderr
    assert done.stdout == ""
