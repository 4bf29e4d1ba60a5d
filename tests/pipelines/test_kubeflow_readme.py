"""Every command of the README's section on Kubeflow, run as a person would, against stand-ins of the servers."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import pipelines.schedule
import pipelines.submit
from pipelines.pods import SECRETS
from tests.patience import patient
from tests.pipelines.conftest import Play
from tests.pipelines.gcs_stand_in import gcs_server
from tests.pipelines.kubeflow_stand_in import REUSED, scene
from tests.pipelines.s3_stand_in import s3_server
from tests.programs import program
from tests.repo.tree import ROOT

SECTION = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## On Kubeflow\n")[2].partition("\n## ")[0]
COMMANDS = [line.partition("  #")[0].strip() for line in re.findall(r"^    (\S.*)$", SECTION, re.MULTILINE)]
LONGEST = 25


def test_the_section_is_short_and_names_every_secret() -> None:
    assert len(SECTION.strip().splitlines()) + 1 <= LONGEST
    for opens, use in SECRETS.items():
        assert f"{opens.upper()}_SECRET" in SECTION
        assert all(key in SECTION or key == ".dockerconfigjson" for key in use.required)


#: The programs behind the targets. One command of them is run as a whole; of the others, the targets are.
PROGRAMS: dict[str, Callable[[list[str]], int]] = {
    "pipelines.submit": pipelines.submit.main,
    "pipelines.schedule": pipelines.schedule.main,
}
WHOLE = next(command for command in COMMANDS if "ENV=staging" in command)


def run(command: str, folder: Path, *make: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of the README; packages are taken for installed, and there is no cluster for kubectl."""
    program(folder, "kubectl", 'echo "$@"')
    command = re.sub(r"^make ", f"{shlex.join(['make', '-o', 'setup', *make])} ", command)
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=patient(100),
    )


def run_here(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> subprocess.CompletedProcess[str]:
    """Runs the program of a target in this process, with the arguments that `make` gives it."""
    program(folder, "python", 'printf "%s\\0" "$@"')
    told = run(command, folder, f"PY={folder / 'python'}")
    assert told.returncode == 0, told.stderr
    _, module, *arguments = told.stdout.removesuffix("\0").split("\0")
    capsys.readouterr()
    status = PROGRAMS[module](arguments)
    said = capsys.readouterr()
    return subprocess.CompletedProcess(arguments, status, said.out, said.err)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_works(
    command: str, play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = play(scene("SUCCEEDED", ingest=REUSED))
    monkeypatch.chdir(ROOT)
    with s3_server("me") as s3, gcs_server() as gcs:
        settings = {
            "KFP_ENDPOINT": server.url,
            "REPOSITORY": "https://git.example/environment.git",
            "AWS_ENDPOINT_URL_S3": s3.url,
            "STORAGE_EMULATOR_HOST": gcs.url,
            "AWS_ACCESS_KEY_ID": "me",
            "AWS_SECRET_ACCESS_KEY": "mine",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        whole = command == WHOLE or not command.startswith("make ")
        done = run(command, tmp_path) if whole else run_here(command, tmp_path, capsys)
        kept = [*s3.objects, *gcs.objects]
    assert done.returncode == 0, done.stderr
    if command.startswith("make submit"):
        assert "succeeded, 1 steps reused" in done.stdout
        (made,) = server.runs.values()
        given = made["runtime_config"]["parameters"]
        assert [given["data"].partition("://")[2]] == kept
        assert given["environment"] == ("staging" if "ENV=staging" in command else "")
        assert bool(given["repository"]) is ("ENV=staging" in command)
        assert made.get("service_account", "") == ("trainer" if "SERVICE_ACCOUNT" in command else "")
    if command.startswith("make schedule"):
        assert ("churn-schedule: 0 3 * * * UTC, enabled" in done.stdout) is ("CRON" in command)
        assert len(server.recurring) == int("CRON" in command)


def test_the_settings_of_make_reach_the_program(play: Play, tmp_path: Path) -> None:
    """Every setting that the help names is an option, and TERMINATE has none of its own value."""
    program(tmp_path, "python", 'printf "%s\\n" "$@"')
    settings = ["NAMESPACE", "ROOT", "STORE_ENDPOINT", "IMAGE", "DATA", "MLFLOW", "NAME"]
    words = [f"{name}={name.lower()} of mine" for name in settings]
    words += [f"{opens.upper()}_SECRET={opens} of mine" for opens in SECRETS]
    command = ["make", "-o", "setup", "submit", f"PY={tmp_path / 'python'}", "TERMINATE=1", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    given = done.stdout.splitlines()
    for name in settings:
        assert given[given.index(f"--{name.replace('_', '-').lower()}") + 1] == f"{name.lower()} of mine"
    assert [text for text in given if "=" in text] == [f"{opens}={opens} of mine" for opens in SECRETS]
    assert given[-1] == "--terminate-on-interrupt"
    assert "--env" not in given
