"""Making a run and following it, over real HTTP.

There is no Kubeflow Pipelines here: `kubeflow_stand_in` stands in for its API. It runs nothing, so what a real server
makes of the graph is not shown here.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.submit import main
from tests.components.small_table import small_spec
from tests.components.spec.large_specs import long_spec
from tests.patience import patient
from tests.pipelines.conftest import Play
from tests.pipelines.kubeflow_stand_in import REUSED, KubeflowStandIn, Trouble, failed, running, scene, succeeded

#: A table in a store that needs no credentials; nothing is read from it but its size.
TABLE = "memory://tables/t.csv"


def words(spec: Path, host: str, store: str, *more: str) -> list[str]:
    """The command line of a run on a table that is in the cluster's store already."""
    places = ["--data", TABLE, "--store", store, "--poll-seconds", "0.02"]
    return ["--spec", str(spec), "--host", host, *places, *more]


def made(server: KubeflowStandIn) -> dict[str, Any]:
    """The only run that was made."""
    (run,) = server.runs.values()
    return run


def test_a_run_that_succeeds(
    play: Play, spec: Path, store: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFP_TOKEN", "t0ken")
    server = play(scene("PENDING"), scene("RUNNING", ingest=running()), scene("SUCCEEDED", ingest=REUSED))
    assert main(words(spec, server.url, store)) == 0
    out = capsys.readouterr().out.splitlines()
    name = made(server)["display_name"]
    assert re.fullmatch(r"small-[0-9a-f]{10}", name)
    assert f"submitted {name}: {server.url}/#/runs/details/run-1" in out
    assert out[-1] == "succeeded, 1 steps reused"
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer t0ken"}


def test_the_server_gets_the_graph_with_its_parameters(play: Play, spec: Path, store: str) -> None:
    server = play()
    places = ["--root", "s3://kubeflow/root", "--service-account", "trainer", "--store-endpoint", "http://s3:9000"]
    assert main(words(spec, server.url, store, *places, "--secret", "store=s3", "--mlflow", "http://m")) == 0
    run = made(server)
    assert run["runtime_config"]["parameters"].items() >= {"data": TABLE, "mlflow": "http://m", "store": store}.items()
    assert (run["runtime_config"]["pipeline_root"], run["service_account"]) == ("s3://kubeflow/root", "trainer")
    assert "train" in run["pipeline_spec"]["pipeline_spec"]["root"]["dag"]["tasks"]
    pods = run["pipeline_spec"]["platform_spec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert pods["exec-train"]["secretAsEnv"][0]["secretName"] == "s3"


@pytest.mark.parametrize(
    ("listed", "plain"),
    [("", False), ("another.lan", False), ("a.lan, images.lan:5000", True), ("images.lan", True)],
)
def test_a_registry_without_tls_is_handed_on_and_said(
    play: Play, spec: Path, store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    listed: str, plain: bool,
) -> None:  # fmt: skip
    monkeypatch.setenv("CANARIO_INSECURE_REGISTRIES", listed)
    server = play()
    assert main([*words(spec, server.url, store), "--images", "images.lan:5000/models"]) == 0
    executors = made(server)["pipeline_spec"]["pipeline_spec"]["deploymentSpec"]["executors"]
    given = [(step, each["value"]) for step, of in executors.items() for each in of["container"].get("env", ())]
    assert given == ([("exec-image", "images.lan:5000")] if plain else [])
    assert ("the step `image` speaks to images.lan:5000 without TLS" in capsys.readouterr().out) is plain


def test_where_signatures_are_is_handed_on_and_said(
    play: Play, spec: Path, store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COSIGN_REPOSITORY", "images.lan/signatures/all")
    server = play()
    assert main([*words(spec, server.url, store), "--images", "images.lan/models"]) == 0
    assert "writes signatures to images.lan/signatures/all, as COSIGN_REPOSITORY says" in capsys.readouterr().out
    executors = made(server)["pipeline_spec"]["pipeline_spec"]["deploymentSpec"]["executors"]
    given = [(step, each["value"]) for step, of in executors.items() for each in of["container"].get("env", ())]
    assert given == [("exec-image", "images.lan/signatures/all")]


def test_a_failed_step_is_named_with_its_own_sentence(
    play: Play, spec: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = failed("main: Error (exit code 1): roc_auc is 0.7, and must be at least 0.8")
    server = play(scene("FAILED", ingest=succeeded(), gate=gate))
    assert main(words(spec, server.url, store)) == 1
    said = capsys.readouterr().err
    assert said.startswith("failed: gate: roc_auc is 0.7, and must be at least 0.8; look at http://")
    assert said.endswith("what succeeded is kept: make submit again goes on from there\n")


@pytest.mark.parametrize("state", ["FAILED", "CANCELED", "SKIPPED"])
def test_no_other_end_is_a_success(play: Play, spec: Path, store: str, state: str) -> None:
    assert main(words(spec, play(scene(state)).url, store)) == 1


# --- one run at a time ------------------------------------------------------------------


def test_the_same_run_has_the_same_name(play: Play, spec: Path, store: str) -> None:
    """A run's name comes from code, spec, data and places, and not from the clock."""
    server = play()
    changed = spec.with_name("other.yaml")
    changed.write_text(json.dumps(small_spec(training={"seed": 8}).model_dump(mode="json")), encoding="utf-8")
    sized = spec.with_name("sized.yaml")
    more = small_spec(resources={"train": {"requests": {"cpu": "2"}}})
    sized.write_text(json.dumps(more.model_dump(mode="json")), encoding="utf-8")
    for file, extra in (
        (spec, []),
        (spec, ["--poll-seconds", "0.03"]),
        (sized, []),
        (changed, []),
        (spec, ["--data", "memory://tables/u.csv"]),
        (spec, ["--image", "registry.example/components:1"]),
        (spec, ["--env", "staging", "--environment", "https://git.example/env.git", "--images", "r.example/m"]),
    ):
        assert main([*words(file, server.url, store), *extra]) == 0
    names = [run["display_name"] for run in server.runs.values()]
    assert len(names) == 7
    assert len(set(names[:3])) == 1
    assert len(set(names[2:])) == 5


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "PAUSED"])
def test_a_run_that_still_runs_is_followed(
    play: Play, spec: Path, store: str, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = play(scene("RUNNING", train=running()), scene("SUCCEEDED"))
    server.add_run("mine", state, "before")
    assert main([*words(spec, server.url, store), "--name", "mine"]) == 0
    assert list(server.runs) == ["before"]
    assert "mine runs already, following it (NAME= starts another)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("state", "more"),
    [("SUCCEEDED", {}), ("FAILED", {}), ("CANCELING", {}), ("RUNNING", {"storage_state": "ARCHIVED"})],
)
def test_a_run_that_ended_is_made_again(play: Play, spec: Path, store: str, state: str, more: dict[str, str]) -> None:
    server = play()
    server.add_run("mine", state, "before", **more)
    assert main([*words(spec, server.url, store), "--name", "mine"]) == 0
    assert [run["display_name"] for run in server.runs.values()] == ["mine", "mine"]
    assert server.runs["run-2"]["runtime_config"]["parameters"]["run"] == "mine"


def test_a_run_whose_answer_was_lost_is_not_made_twice(
    play: Play, spec: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = play()
    server.trouble["POST /apis/v2beta1/runs"] = [Trouble(504, done=True)]
    assert main(words(spec, server.url, store)) == 0
    assert f"submitted {made(server)['display_name']}" in capsys.readouterr().out


# --- tables and specs that the cluster lacks ------------------------------------------------


def test_a_table_of_this_machine_is_uploaded_once(
    play: Play, spec: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = play()
    command = [word for word in words(spec, server.url, store) if word not in ("--data", TABLE)]
    assert main(command) == 0
    (kept,) = (spec.parent / "store" / "tables").glob("*/*")
    assert kept.read_bytes() == (spec.parent / "small.csv").read_bytes()
    assert made(server)["runtime_config"]["parameters"]["data"] == f"{store}/tables/{kept.parent.name}/small.csv"
    assert "small.csv: uploaded" in capsys.readouterr().out
    assert main(command) == 0
    assert "small.csv: is in the store already" in capsys.readouterr().out
    assert len({run["display_name"] for run in server.runs.values()}) == 1
    (spec.parent / "small.csv").write_bytes(b"a,b\n1,2\n")
    assert main(command) == 0
    assert len({run["display_name"] for run in server.runs.values()}) == 2


def test_a_store_that_is_not_reached_gets_a_sentence(
    play: Play, spec: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    places = ["--host", play().url, "--store", "s3://canario/store"]
    assert main(["--spec", str(spec), *places]) == 1
    err = capsys.readouterr().err
    assert err.startswith("s3://canario/store: cannot be written from this machine: ")
    assert "or upload the table yourself and name it: DATA=s3://..." in err
    assert "Traceback" not in err


def test_a_spec_too_long_for_a_parameter_is_kept_in_the_store(play: Play, spec: Path, store: str) -> None:
    spec.write_text(yaml.safe_dump(long_spec().model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    assert main(words(spec, play().url, store)) == 0
    (kept,) = (spec.parent / "store" / "specs").iterdir()
    assert re.fullmatch(r"[0-9a-f]{64}\.json", kept.name)


# --- a server that has trouble ------------------------------------------------------------


def test_a_server_that_is_not_there_is_said_in_a_sentence(
    spec: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(spec, "http://127.0.0.1:9", store)) == 1
    err = capsys.readouterr().err
    assert err.startswith("http://127.0.0.1:9: the run was not made: it is not reached")
    assert "Traceback" not in err


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_makes_no_run_is_told(
    play: Play, spec: Path, store: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    server = play()
    server.trouble["POST /apis/v2beta1/runs"] = [Trouble(status)]
    assert main(words(spec, server.url, store)) == 1
    assert f"the run was not made: the server answers {status}" in capsys.readouterr().err


def test_a_lost_connection_is_waited_for(
    play: Play, spec: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = play(scene("RUNNING"), Trouble(503), Trouble(503), scene("SUCCEEDED"))
    assert main(words(spec, server.url, store)) == 0
    out = capsys.readouterr().out
    assert out.count("does not answer (503 Service Unavailable)") == 1
    assert "answers again" in out


def test_a_run_that_never_ends_is_given_up(
    play: Play, spec: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(spec, play(scene("RUNNING")).url, store, "--timeout-minutes", "0.002")) == 1
    assert "and it has not ended" in capsys.readouterr().err


# --- several users ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value"),
    [("KFP_HEADER", "kubeflow-userid: me@example.com"), ("KFP_TOKEN", "me@example.com"), ("KFP_COOKIE", "session=1")],
)
def test_with_several_users_a_run_says_who_asks(
    play: Play, spec: Path, store: str, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    server = play(scene("RUNNING"), scene("SUCCEEDED"), users={"me@example.com": "team", "session=1": "team"})
    assert main(words(spec, server.url, store, "--namespace", "team")) == 0
    assert server.experiments["e1"]["namespace"] == "team"


@pytest.mark.parametrize(
    ("header", "namespace", "said"),
    [
        ("", "team", "401 Unauthorized (Request header error: there is no user identity header.); $KFP_TOKEN"),
        ("kubeflow-userid: you@example.com", "team", "403 Forbidden (User 'you@example.com' is not authorized"),
        ("kubeflow-userid: me@example.com", "", "400 Bad Request (An experiment cannot have an empty namespace"),
    ],
)
def test_with_several_users_a_stranger_is_refused(
    play: Play, spec: Path, store: str, header: str, namespace: str, said: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("KFP_HEADER", header)
    server = play(users={"me@example.com": "team"})
    assert main(words(spec, server.url, store, "--namespace", namespace)) == 1
    assert said in capsys.readouterr().err
    assert server.runs == {}


# --- the command line ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--host", ""], "no host: --host or KFP_ENDPOINT"),
        (["--host", "kfp:80"], "host kfp:80: an address starts with"),
        (["--data", "/not/there.csv"], "--data: there is no table /not/there.csv; name a file, or an address"),
        (["--store", ""], "--store: a run needs a store that the cluster reaches"),
        (["--store", "build"], "--store: build is a path of this machine"),
        (["--root", "build"], "--root: build is a path of this machine"),
        (["--ca", "/not/there"], "--ca: there is no file /not/there"),
        (["--queue", "gpus"], "--queue: gpus is for workers; write training.workers: 2"),
        (["--secret", "store=S3"], "--secret store: 'S3' is no name of a secret"),
        (["--secret", "shop=s3"], "--secret: 'shop' is nothing that a secret opens; allowed: store, mlflow"),
        (["--store-endpoint", "s3:9000"], "--store-endpoint: s3:9000 is no address such as"),
        (["--pools", "oke"], "POOLS is 'oke'; allowed: canario, gke, eks, aks"),
        (["--env", "staging"], "--environment '' and --env 'staging' go together (REPOSITORY= and ENV=)"),
        (["--env", "staging", "--environment", "https://git/x"], "staging is a release to a cluster, which needs a"),
    ],
)
def test_wrong_input_is_two(
    spec: Path, store: str, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert main(words(spec, "http://127.0.0.1:9", store, *more)) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said", "told_to_end"),
    [([], "the run goes on", False), (["--terminate-on-interrupt"], "the run was told to end", True)],
)
def test_ctrl_c(play: Play, spec: Path, store: str, more: list[str], said: str, told_to_end: bool) -> None:
    server = play(scene("RUNNING"))
    command = [sys.executable, "-m", "pipelines.submit", *words(spec, server.url, store, *more)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as program:
        assert server.looked.wait(patient(60))
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=patient(30))
    assert program.returncode == 130
    assert said in err
    assert ("POST /apis/v2beta1/runs/run-1:terminate" in server.asked) is told_to_end


def test_a_submit_that_was_killed_is_taken_up_again(play: Play, spec: Path, store: str) -> None:
    server = play(scene("RUNNING"))
    command = [sys.executable, "-m", "pipelines.submit", *words(spec, server.url, store)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ) as program:
        assert server.looked.wait(patient(60))
        program.kill()
    server.looks[:] = [scene("RUNNING"), scene("SUCCEEDED")]
    assert main(words(spec, server.url, store)) == 0
    assert len(server.runs) == 1
