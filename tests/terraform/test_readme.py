"""The way from an empty project to a served champion: ten commands, each of which exists."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

import pytest
import yaml

from terraform.commands import CloudError, run
from tests.patience import patient
from tests.repo.makefile import MAKEFILE, targets
from tests.repo.tree import ROOT

README = (ROOT / "terraform" / "README.md").read_text(encoding="utf-8")
WAY = README.partition("## From an empty project to a served champion")[2].partition("\n## ")[0]
COMMANDS = re.findall(r"^ {7}(\S.*)$", WAY, re.MULTILINE)
MAKE = [command.removeprefix("make ") for command in COMMANDS if command.startswith("make ")]


def goals(command: str) -> tuple[list[str], dict[str, str]]:
    """The targets of a command of make, and its variables."""
    words = re.findall(r'(?:[A-Z]+="[^"]*"|\S+)', command)
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    return [word for word in words if "=" not in word], {name: value.strip('"') for name, value in settings.items()}


def test_there_are_ten_and_each_is_explained() -> None:
    assert len(COMMANDS) == 10
    assert re.findall(r"^(\d+)\. ", WAY, re.MULTILINE) == [str(number) for number in range(1, 11)]


def test_each_is_of_make_or_a_program_that_the_text_asks_for() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"make", "gcloud", "kubectl"}
    assert len(MAKE) == 8


def test_the_first_page_has_the_same_ten() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Deploy to a cloud")[2].partition("\n## ")[0]
    assert re.findall(r"^ {4}(\S.*)$", page, re.MULTILINE) == COMMANDS


def test_a_project_and_a_place_are_always_named() -> None:
    """gcloud would take them from its own settings, which may be another project's."""
    scripts = [(ROOT / ".ci" / name).read_text(encoding="utf-8") for name in ("tf-prepare", "tf-secrets")]
    lines = "\n".join([*COMMANDS, *scripts]).replace("\\\n", "")
    calls = [line for line in lines.splitlines() if re.search(r"(^|[\s($])gcloud (services|storage|secrets) ", line)]
    assert len(calls) == 10
    assert [call for call in calls if "--project=" not in call and '"${secret[1]}"' not in call] == []
    assert [call for call in calls if "buckets create" in call and "--location=" not in call] == []


@pytest.mark.parametrize("command", MAKE)
def test_each_target_and_setting_of_make_exists(command: str) -> None:
    asked, settings = goals(command)
    assert set(asked) <= targets(MAKEFILE)
    assert all(re.search(rf"\$[({{]{{1,2}}{name}\b|\b{name} \?=", MAKEFILE) for name in settings)


def test_every_image_that_the_cluster_is_handed_is_published() -> None:
    parts = next(settings["PART"] for _, settings in map(goals, MAKE) if "PART" in settings).split()
    values: dict[str, Any] = yaml.safe_load((ROOT / "helm" / "canario" / "values.yaml").read_text())
    needed = ("judge", "mlflow")
    # Where the chart says no more, an image has the name of its part.
    assert [values[part]["image"]["repository"] for part in needed] == ["", ""]
    assert {*needed, "churn"} == set(parts)


def test_goals_are_read_as_make_reads_them() -> None:
    assert goals('publish PART="judge churn" A=b image') == (["publish", "image"], {"PART": "judge churn", "A": "b"})


def tf_init(environment: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What the first step of make tf-plan says."""
    command = ["bash", ".ci/tf-init", environment]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=patient(60),
    )


def test_a_workflow_takes_no_provider_that_nobody_looked_at() -> None:
    if (ROOT / "terraform" / "envs" / "staging" / ".terraform.lock.hcl").exists():
        pytest.skip("there is a lock file")
    told = tf_init("staging", CI="true")
    assert told.returncode == 1
    assert "make tf-lock ENV=staging on a machine of yours, look at it and commit it" in told.stderr


def test_an_environment_that_is_none_is_named() -> None:
    told = tf_init("moon")
    assert told.returncode == 2
    assert "moon is no environment of terraform/envs; set ENV to one of: production staging" in told.stderr


def test_a_program_that_is_missing_or_fails_is_a_sentence() -> None:
    with pytest.raises(CloudError, match="no-such-program is not on the PATH"):
        run(["no-such-program"])
    with pytest.raises(CloudError, match=r"git no-such-command: .*not a git command"):
        run(["git", "no-such-command"])
