"""What Terraform needs before its first plan: a bucket that keeps versions, and a password that nobody sees."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.programs import program
from tests.repo.tree import ROOT

#: gcloud: each call is a line of `told`; what was made is a file; what is not there ends with 1, as gcloud does.
GCLOUD = """
echo "$*" >> {place}/told
case "$1 $2 $3" in
  "storage buckets describe") [ -e {place}/bucket ] ;;
  "storage buckets create") touch {place}/bucket ;;
  "secrets describe "*) [ -e {place}/secret ] ;;
  "secrets create "*) touch {place}/secret ;;
  "secrets versions list") [ ! -e {place}/password ] || echo 1 ;;
  "secrets versions add") cat > {place}/password ;;
  "secrets versions describe") echo projects/1/secrets/x/versions/4 ;;
  "secrets versions access") cat {place}/password ;;
esac
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with the scripts and the environments, and a gcloud of one empty project."""
    (tmp_path / ".ci").mkdir()
    for name in ("tf-prepare", "tf-secrets"):
        shutil.copy2(ROOT / ".ci" / name, tmp_path / ".ci")
    shutil.copytree(ROOT / "terraform" / "envs", tmp_path / "terraform" / "envs")
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin", "gcloud", GCLOUD.format(place=tmp_path))
    return tmp_path


def bash(tree: Path, command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{tree / 'bin'}:{os.environ['PATH']}", "STATE": "state", **settings}
    return subprocess.run(
        ["bash", "-c", command], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )


def prepare(tree: Path, environment: str = "staging", project: str = "example-project") -> list[str]:
    """What gcloud was asked to change."""
    done = bash(tree, f".ci/tf-prepare {environment}", TF_VAR_project=project)
    assert done.returncode == 0, done.stderr
    told = (tree / "told").read_text().splitlines()
    (tree / "told").unlink()
    return [line for line in told if " describe " not in line and " list " not in line]


def test_the_bucket_keeps_versions_and_is_in_the_region(tree: Path) -> None:
    """The bucket is in the project and the region that are named, is never public, and keeps each state before."""
    made, kept, *_ = prepare(tree)
    assert made.split()[3:] == [
        "gs://state",
        "--project=example-project",
        "--location=us-central1",
        "--uniform-bucket-level-access",
        "--public-access-prevention",
    ]
    assert kept.startswith("storage buckets update gs://state --project=example-project --versioning --lifecycle-file=")


def test_the_password_is_made_once_and_on_no_command_line(tree: Path) -> None:
    calls = prepare(tree)
    password = (tree / "password").read_text()
    assert len(password) == 32
    assert password.isalnum()
    assert not [call for call in calls if password in call]
    assert [call.split()[1] for call in prepare(tree)] == ["buckets"], "again, nothing but the bucket's settings"
    assert (tree / "password").read_text() == password


def test_terraform_is_given_the_password_and_its_version(tree: Path) -> None:
    prepare(tree)
    command = '. .ci/tf-secrets staging && echo "$TF_VAR_database_password $TF_VAR_database_password_version"'
    given = bash(tree, command, TF_VAR_project="example-project").stdout.split()
    assert given == [(tree / "password").read_text(), "4"]
    assert "secrets versions access 4 --secret=canario-staging-database" in (tree / "told").read_text()


def test_a_password_of_ones_own_asks_nobody(tree: Path) -> None:
    done = bash(tree, '. .ci/tf-secrets staging && echo "$TF_VAR_database_password"', TF_VAR_database_password="own")
    assert done.stdout == "own\n"
    assert not (tree / "told").exists()


@pytest.mark.parametrize(
    ("environment", "project", "said"),
    [("moon", "p", "moon is no environment of terraform/envs"), ("staging", "", "names the project")],
)
def test_what_cannot_be_prepared_is_said(tree: Path, environment: str, project: str, said: str) -> None:
    done = bash(tree, f".ci/tf-prepare {environment}", TF_VAR_project=project)
    assert done.returncode != 0
    assert said in done.stderr
    assert not (tree / "told").exists()
