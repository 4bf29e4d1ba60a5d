"""What runs before a change lands: of e2e the rollouts each time, and every other part in its turn."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.git_repository import git
from tests.programs import program
from tests.repo.tree import ROOT

PARTS = {path.stem.removeprefix("test_") for path in ROOT.glob("tests/e2e/test_*.py")} - {"rollouts"}
REGISTRY = "REGISTRY=registry.local:5000/canario"


def turn(root: Path, number: int) -> str:
    done = subprocess.run([root / ".ci" / "turn", str(number)], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_every_part_has_its_turn() -> None:
    turns = [turn(ROOT, number) for number in range(7, 7 + len(PARTS))]
    assert sorted(turns) == sorted(PARTS)
    assert turn(ROOT, 7 + len(PARTS)) == turns[0]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with four parts of e2e, and a cluster beside it; each call is a line of the file `said`."""
    root, cluster, bin_folder = tmp_path / "tree", tmp_path / "shared" / "cluster", tmp_path / "bin"
    (root / "tests" / "e2e").mkdir(parents=True)
    for part in ("a", "queue", "rollouts", "signatures"):
        (root / "tests" / "e2e" / f"test_{part}.py").touch()
    (root / ".ci").mkdir()
    for name in ("run", "turn"):
        shutil.copy2(ROOT / ".ci" / name, root / ".ci")
    git(root, "init", "--quiet")
    for folder in (cluster, bin_folder):
        folder.mkdir(parents=True)
    for name in ("up", "base-image", "with"):
        program(cluster, name, f'echo "{name}${{*:+ }}$*" >> {tmp_path}/said; echo {tmp_path}/kubeconfig')
    fails = f'case "$*" in *PART=$(cat {tmp_path}/fails)\\ *) exit 1 ;; esac'
    program(bin_folder, "make", f'echo "make $*" >> {tmp_path}/said; {fails}')
    (tmp_path / "fails").write_text("none")
    return root


def landed(root: Path, commits: int, fails: str = "none") -> tuple[int, list[str], str]:
    """Runs the checks with so many commits: the exit status, what was called since the demo, and what was said."""
    folder = root.parent
    (folder / "fails").write_text(fails)
    (folder / "said").write_text("")
    while int(git(root, "rev-list", "--count", "--all")) < commits:
        git(root, "commit", "--quiet", "--allow-empty", "--message", "one more")
    environment = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([root / ".ci" / "run"], env=environment, capture_output=True, text=True, check=False)
    called = (folder / "said").read_text().splitlines()
    return done.returncode, called[called.index("make demo") + 1 :], done.stdout


def test_the_rollouts_and_the_part_in_turn_are_run(tree: Path) -> None:
    """By the number of commits, with what the part needs of the cluster, and the log says which."""
    before = ["up", "up", "make tools TOOLS=helm kubeconform promtool", "make test-charts", "base-image"]
    rollouts = f"make e2e PART=rollouts {REGISTRY}"
    for commits, needed in ((3, "a"), (4, "queue"), (5, "signatures")):
        status, called, said = landed(tree, commits)
        needs = {"queue": ["with kueue"], "signatures": ["with kyverno cosign"]}.get(needed, [])
        assert (status, called) == (0, [*before, rollouts, *needs, f"make e2e PART={needed} {REGISTRY}"])
        assert f"e2e: rollouts, then {needed}, whose turn it is\n" in said
        assert said.endswith(f"e2e: rollouts and {needed} passed\n")


@pytest.mark.parametrize("part", ["rollouts", "a"])
def test_a_part_that_fails_lets_nothing_land(tree: Path, part: str) -> None:
    status, called, said = landed(tree, 3, fails=part)
    assert status != 0
    assert called[-1] == f"make e2e PART={part} {REGISTRY}"
    assert "passed" not in said


def test_without_a_cluster_it_is_said(tree: Path) -> None:
    shutil.rmtree(tree.parent / "shared")
    status, called, said = landed(tree, 3)
    assert (status, called) == (0, [])
    assert said.endswith("NOT RUN: the charts, and e2e on a cluster, for there is none beside this folder\n")
