"""Submitting and following a run, over real HTTP.

There is no Kubeflow Pipelines here. The server of this test stands in for it: it answers the four
questions of /apis/v2beta1 that the installed client is seen to ask, and plays a run from a list of
states. It runs nothing, so what a real server makes of the graph is not shown here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import kfp
import pytest

from components.spec.contract import Spec
from pipelines.kfp_run import Follower, Pace
from pipelines.submit import main
from tests.components.small_table import small_spec
from tests.patience import patient

RUN = "0b6f"


class Server(ThreadingHTTPServer):
    """Answers each request with the next of `looks`, then repeats the last.

    None breaks the connection; a number is an HTTP status.
    """

    daemon_threads = True

    def __init__(self, looks: list[Any]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.looks, self.asked, self.bodies, self.tokens = looks, [], [], set()  # type: ignore[var-annotated]
        self.looked = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path = self._note()
        if path == "/apis/v2beta1/experiments":
            self._answer(200, {})
            return
        assert path == f"/apis/v2beta1/runs/{RUN}"
        look = self.server.looks.pop(0) if len(self.server.looks) > 1 else self.server.looks[0]
        self.server.looked.set()
        if look is None:
            self.connection.close()
            return
        status, body = (look, {}) if isinstance(look, int) else (200, look)
        self._answer(status, body)

    def do_POST(self) -> None:
        path = self._note()
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}"))
        made = {
            "/apis/v2beta1/experiments": {"experiment_id": "e1"},
            "/apis/v2beta1/runs": {"run_id": RUN, "state": "PENDING"},
        }
        self._answer(200, made.get(path, {}))

    def _note(self) -> str:
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        self.server.tokens.add(self.headers["Authorization"])
        return path

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        told = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: Any) -> None:
        pass


def look(state: str, error: str = "", **steps: str) -> dict[str, Any]:
    tasks: list[dict[str, Any]] = [
        {"task_id": name, "display_name": name, "state": what, "run_id": RUN} for name, what in steps.items()
    ]
    for task in list(tasks):
        if error and task["state"] == "FAILED":
            inner = {"task_id": "pod", "display_name": "executor", "parent_task_id": task["task_id"], "state": "FAILED"}
            tasks.append({**inner, "error": {"code": 2, "message": error}})
    return {"run_id": RUN, "state": state, "run_details": {"task_details": tasks}}


@pytest.fixture
def play() -> Iterator[Any]:
    started: list[Server] = []

    def start(*looks: Any) -> Server:
        server = Server(list(looks))
        started.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "service.yaml"
    told: Spec = small_spec()
    path.write_text(json.dumps(told.model_dump(mode="json")), encoding="utf-8")
    return path


def words(spec: Path, host: str, *more: str) -> list[str]:
    table = ["--data", "s3://data/t.csv", "--store", "s3://canario/store"]
    return ["--spec", str(spec), "--host", host, *table, "--name", "one", "--poll-seconds", "0.02", *more]


def test_a_run_that_succeeds_is_told_once_for_each_change(
    play: Any, spec: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFP_TOKEN", "t0ken")
    running = look("RUNNING", ingest="RUNNING")
    server = play(
        look("PENDING"), running, running, look("SUCCEEDED", ingest="SUCCEEDED", **{"ingest-driver": "SUCCEEDED"})
    )
    assert main(words(spec, server.url)) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"submitted one: {server.url}/#/runs/details/{RUN}"
    assert out[1:] == ["  0:00  ingest         running", "  0:00  ingest         succeeded", "succeeded"]
    assert server.tokens == {"Bearer t0ken"}


def test_the_server_gets_the_graph_with_its_parameters(play: Any, spec: Path) -> None:
    server = play(look("SUCCEEDED"))
    assert main(words(spec, server.url)) == 0
    body = server.bodies[-1]
    assert (body["display_name"], body["experiment_id"]) == ("one", "e1")
    assert body["runtime_config"]["parameters"] == {
        "data": "s3://data/t.csv",
        "run": "one",
        "mlflow": "http://mlflow.canario",
        "store": "s3://canario/store",
    }
    assert "train" in body["pipeline_spec"]["pipeline_spec"]["root"]["dag"]["tasks"]


def test_a_failed_step_is_named_with_the_error_of_its_pod(
    play: Any, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = play(look("FAILED", "exit code 3: gate refused", ingest="SUCCEEDED", gate="FAILED"))
    assert main(words(spec, server.url)) == 1
    assert capsys.readouterr().err.startswith("failed: gate: exit code 3: gate refused; look at http://")


@pytest.mark.parametrize("state", ["FAILED", "CANCELED", "SKIPPED"])
def test_no_other_end_is_a_success(play: Any, spec: Path, state: str) -> None:
    assert main(words(spec, play(look(state)).url)) == 1


def test_a_server_that_is_not_there_is_said_in_a_sentence(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(spec, "http://127.0.0.1:9")) == 1
    err = capsys.readouterr().err
    assert err.startswith("http://127.0.0.1:9: the run was not made: it is not reached")
    assert "Traceback" not in err


def test_a_lost_connection_is_waited_for(play: Any, spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = play(look("RUNNING"), 503, 503, look("SUCCEEDED"))
    assert main(words(spec, server.url)) == 0
    out = capsys.readouterr().out
    assert out.count("does not answer (503 Service Unavailable)") == 1
    assert "answers again" in out


def test_a_connection_that_stays_lost_ends_with_the_time(
    play: Any, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = play(look("RUNNING"), None)
    assert main(words(spec, server.url, "--timeout-minutes", "0.05")) == 1
    assert "waited for 3 seconds and the server does not answer; look at" in capsys.readouterr().err


def test_a_run_that_never_ends_is_given_up(play: Any, spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(spec, play(look("RUNNING")).url, "--timeout-minutes", "0.002")) == 1
    assert "and it has not ended" in capsys.readouterr().err


def test_a_server_that_refuses_is_not_waited_for(play: Any, spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(spec, play(403).url)) == 1
    assert "refuses to show the run (403 Forbidden)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--host", ""], "no host: --host or KFP_ENDPOINT"),
        (["--host", "kfp:80"], "host kfp:80: an address starts with"),
        (["--data", "/tmp/t.csv"], "--data: /tmp/t.csv is a path of this machine"),
        (["--store", "build"], "--store: build is a path of this machine"),
        (["--ca", "/not/there"], "--ca: there is no file /not/there"),
    ],
)
def test_wrong_input_is_two(spec: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str) -> None:
    assert main(words(spec, "http://127.0.0.1:9", *more)) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said", "told_to_end"),
    [([], "the run goes on", False), (["--terminate-on-interrupt"], "the run was told to end", True)],
)
def test_ctrl_c(play: Any, spec: Path, more: list[str], said: str, told_to_end: bool) -> None:
    server = play(look("RUNNING"))
    command = [sys.executable, "-m", "pipelines.submit", *words(spec, server.url, *more)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as program:
        assert server.looked.wait(patient(60))
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=patient(30))
    assert program.returncode == 130
    assert said in err
    assert (f"POST /apis/v2beta1/runs/{RUN}:terminate" in server.asked) is told_to_end


@pytest.mark.filterwarnings("ignore::FutureWarning")  # every client warns that it needs a server of 2.0
def test_a_ctrl_c_swallowed_by_a_library_still_ends_the_wait(play: Any) -> None:
    """Ctrl-C ends the wait even if a library's destructor swallowed it."""
    client = kfp.Client(host=play(look("RUNNING")).url, namespace="default")
    follower = Follower(client, RUN, [], print, interrupted=lambda: True)
    with pytest.raises(KeyboardInterrupt):
        follower.until_ended(Pace(poll_seconds=0.02, timeout_seconds=patient(30)))
