"""A command reaches services of the cluster through kubectl, for as long as it runs."""

from __future__ import annotations

import shlex
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from k8s.cluster.tunnel import ClusterService, TunnelPace, main, reached
from k8s.errors import ClusterError
from tests.patience import patient
from tests.programs import program

#: A kubectl whose port-forward answers one request and ends, as the real one does when its pod goes.
FORWARD = """import socket, sys
with open("{place}/told", "a") as told:
    print(*sys.argv[1:], file=told)
listener = socket.create_server(("127.0.0.1", int(sys.argv[-1].partition(":")[0])))
while True:
    caller, _ = listener.accept()
    if caller.recv(1000):
        caller.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nhere")
        break
"""


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that writes down what it is told; its folder."""
    (tmp_path / "forward.py").write_text(FORWARD.format(place=tmp_path))
    program(tmp_path, "kubectl", f'exec {shlex.quote(sys.executable)} {tmp_path}/forward.py "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def answer(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as response:
        return str(response.read().decode())


def answered(address: str) -> str:
    """The answer, as soon as there is one."""
    end = time.monotonic() + patient(20)
    while True:
        try:
            return answer(address)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def test_a_connection_that_ends_is_made_again(kubectl: Path) -> None:
    target = ClusterService.parse("KFP_ENDPOINT=kubeflow/ml-pipeline:8888")
    with reached(target, TunnelPace(again_seconds=0)) as address:
        assert answer(address) == "here"
        assert answered(address) == "here"
    port = address.rpartition(":")[2]
    first, *_ = (kubectl / "told").read_text().splitlines()
    assert first == f"--namespace kubeflow port-forward --address=127.0.0.1 service/ml-pipeline {port}:8888"
    with pytest.raises(OSError, match="refused"):
        answer(address)


def test_a_command_gets_the_address_and_gives_its_status(kubectl: Path) -> None:
    code = "import os, sys, urllib.request as u; sys.exit(len(u.urlopen(os.environ['MLFLOW']).read()))"
    assert main(["MLFLOW=canario/mlflow:80", "--", sys.executable, "-c", code]) == len("here")


def test_a_service_that_is_not_reached_is_said(kubectl: Path) -> None:
    (kubectl / "kubectl").write_text('#!/bin/sh\necho "services \\"mlflow\\" is forbidden" >&2; exit 1\n')
    target = ClusterService.parse("MLFLOW=canario/mlflow:80")
    with (
        pytest.raises(ClusterError, match=r"canario/mlflow is not reached: .*forbidden"),
        reached(target, TunnelPace(again_seconds=0)),
    ):
        pass


@pytest.mark.parametrize("words", [["MLFLOW=mlflow", "--", "true"], ["MLFLOW=canario/mlflow:80", "true"]])
def test_what_is_no_target_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "VARIABLE=namespace/service:port" in capsys.readouterr().err
