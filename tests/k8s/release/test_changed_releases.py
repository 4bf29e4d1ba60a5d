"""Which releases a merge changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from k8s.release.changed_releases import main, released, releases
from tests.git_repository import commit_all, git

THERE = [("production", "churn"), ("staging", "attrition"), ("staging", "churn")]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        (["k8s/envs/staging/churn.yaml", "README.md"], [("staging", "churn")]),
        (["k8s/envs/staging/platform.yaml"], [("staging", "attrition"), ("staging", "churn")]),
        (
            ["k8s/envs/production/churn.yaml", "k8s/envs/staging/churn.yaml"],
            [("production", "churn"), ("staging", "churn")],
        ),
        (["k8s/envs/local/churn.yaml", "k8s/envs/staging/gone.yaml", "x/k8s/envs/staging/churn.yaml"], []),
    ],
)  # fmt: skip
def test_a_release_changed_with_its_file_or_its_platform(changed: list[str], found: list[tuple[str, str]]) -> None:
    assert releases(changed, THERE) == found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for file in ("services/churn/service.yaml", "k8s/envs/staging/churn.yaml", "k8s/envs/local/churn.yaml"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("name: churn\n")
    git(tmp_path, "init", "--quiet")
    commit_all(tmp_path)
    return tmp_path


def test_the_command_lists_a_merge_or_the_one_that_was_named(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert released(tree) == [("staging", "churn")]
    before = git(tree, "rev-parse", "HEAD")
    (tree / "k8s/envs/staging/churn.yaml").write_text("version: '2'\n")
    event = tree / "event.json"
    event.write_text(json.dumps({"before": before, "after": commit_all(tree)}))
    asked = ["--payload", str(event), "--root", str(tree)]
    one = 'releases=[{"environment": "staging", "service": "churn"}]\n'
    assert main(asked) == 0
    assert main([*asked, "--env", "staging", "--service", "churn"]) == 0
    assert capsys.readouterr().out == 2 * one
    assert main([*asked, "--env", "production", "--service", "churn"]) == 2
    assert "production/churn is no release here" in capsys.readouterr().err
