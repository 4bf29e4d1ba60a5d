"""One recurring run for a service: made, replaced, shown, removed, over real HTTP."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.schedule import main
from tests.pipelines.conftest import Play
from tests.pipelines.kubeflow_stand_in import KubeflowStandIn, Trouble

TABLE = "memory://tables/t.csv"


def words(spec: Path, server: KubeflowStandIn, *more: str) -> list[str]:
    return ["--spec", str(spec), "--host", server.url, *more]


def make(spec: Path, server: KubeflowStandIn, store: str, cron: str = "0 3 * * *", *more: str) -> int:
    return main(words(spec, server, "--store", store, "--data", TABLE, "--cron", cron, *more))


def only(server: KubeflowStandIn) -> dict[str, Any]:
    (found,) = server.recurring.values()
    return found


def test_it_is_made_with_the_parameters_of_a_run(
    play: Play, spec: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = play()
    assert make(spec, server, store, "0 3 * * *", "--secret", "store=s3", "--service-account", "trainer") == 0
    made = only(server)
    assert made["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert (made["display_name"], made["mode"], made["service_account"]) == ("small-schedule", "ENABLE", "trainer")
    assert (int(made["max_concurrency"]), made["no_catchup"]) == (1, True)
    given = made["runtime_config"]["parameters"]
    assert given.items() >= {"data": TABLE, "store": store, "run": ""}.items()
    pods = made["pipeline_spec"]["platform_spec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert pods["exec-train"]["secretAsEnv"][0]["secretName"] == "s3"
    out = capsys.readouterr().out
    assert "small-schedule is made\nsmall-schedule: 0 3 * * * UTC, enabled\n" in out
    assert re.search(r"next: \d{4}-\d\d-\d\d 03:00, \d{4}-\d\d-\d\d 03:00", out)


def test_the_same_schedule_is_left_alone(
    play: Play, spec: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = play()
    assert make(spec, server, store) == make(spec, server, store) == 0
    assert server.asked.count("POST /apis/v2beta1/recurringruns") == 1
    assert "small-schedule is there already" in capsys.readouterr().out


@pytest.mark.parametrize("more", [["0 4 * * *"], ["0 3 * * *", "--image", "registry.example/components:2"]])
def test_another_schedule_or_code_replaces_it(play: Play, spec: Path, store: str, more: list[str]) -> None:
    """The older one fires no more before the new one is made, and what it started goes on."""
    server = play()
    assert make(spec, server, store) == 0
    server.add_run("firing", "RUNNING", "r1", recurring_run_id="job-1")
    assert make(spec, server, store, *more) == 0
    assert only(server)["recurring_run_id"] == "job-2"
    done = [asked for asked in server.asked if not asked.startswith("GET")]
    assert done[-3:] == [
        "POST /apis/v2beta1/recurringruns/job-1:disable",
        "POST /apis/v2beta1/recurringruns",
        "DELETE /apis/v2beta1/recurringruns/job-1",
    ]
    assert server.ended == set()


def test_two_of_them_become_one(play: Play, spec: Path, store: str) -> None:
    server = play()
    assert make(spec, server, store) == 0
    server.recurring["job-0"] = {**only(server), "recurring_run_id": "job-0"}
    assert make(spec, server, store) == 0
    assert list(server.recurring) == ["job-2"]


def test_a_server_that_makes_no_new_one_keeps_the_old(
    play: Play, spec: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = play()
    assert make(spec, server, store) == 0
    server.trouble["POST /apis/v2beta1/recurringruns"] = [Trouble(500)]
    assert make(spec, server, store, "0 4 * * *") == 1
    assert only(server)["mode"] == "ENABLE"
    assert only(server)["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert "the schedule is as it was: the server answers 500" in capsys.readouterr().err


def test_it_is_shown_with_its_last_runs(play: Play, spec: Path, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    server = play()
    assert main(words(spec, server)) == 0
    assert "there is no small-schedule; CRON='0 3 * * *' makes one" in capsys.readouterr().out
    assert make(spec, server, store) == 0
    server.add_run("firing", "SUCCEEDED", "r1", recurring_run_id="job-1")
    server.recurring["job-1"]["mode"] = "DISABLE"
    capsys.readouterr()
    assert main(words(spec, server)) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "small-schedule: 0 3 * * * UTC, disabled"
    assert out[1] == f"  last: 2026-01-01 00:00  succeeded  {server.url}/#/runs/details/r1"


def test_it_is_removed(play: Play, spec: Path, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    server = play()
    assert make(spec, server, store) == 0
    assert main(words(spec, server, "--remove")) == 0
    assert server.recurring == {}
    assert "small-schedule is removed; what it started goes on" in capsys.readouterr().out
    assert main(words(spec, server, "--remove")) == 0


def test_each_namespace_has_its_own(play: Play, spec: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = play(users={"me": "mine", "you": "yours"})
    for user, namespace in (("me", "mine"), ("you", "yours")):
        monkeypatch.setenv("KFP_HEADER", f"kubeflow-userid: {user}")
        assert make(spec, server, store, "0 3 * * *", "--namespace", namespace) == 0
    assert len(server.recurring) == 2
    assert main(words(spec, server, "--namespace", "yours", "--remove")) == 0
    assert list(server.recurring) == ["job-1"]


def test_a_table_of_this_machine_is_told_to_stay_as_it_is(
    play: Play, spec: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = play()
    assert main(words(spec, server, "--store", store, "--cron", "0 3 * * *")) == 0
    assert "every firing reads the table as it is now" in capsys.readouterr().out
    assert only(server)["runtime_config"]["parameters"]["data"].startswith(f"{store}/tables/")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--cron", "0 3 * *"], "has 4 fields; allowed are five"),
        (["--cron", "0 3 * * *"], "--store: a run needs a store"),
        (["--host", ""], "no host: --host or KFP_ENDPOINT"),
    ],
)
def test_wrong_input_is_two(
    play: Play, spec: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(spec, play(), *more)) == 2
    assert said in capsys.readouterr().err


def test_a_server_that_is_not_there_is_said(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--spec", str(spec), "--host", "http://127.0.0.1:9"]) == 1
    assert capsys.readouterr().err.startswith("http://127.0.0.1:9: the schedule is as it was: it is not reached")
