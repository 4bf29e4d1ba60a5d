"""Programs that die come back, and those that are stopped are gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from k8s.twin import loopback
from k8s.twin.errors import ProcessError
from k8s.twin.ports import Ports
from k8s.twin.processes import Process
from tests.k8s.twin.tiny import tiny_program, wait_for


def test_a_program_is_ready_by_its_probe_and_gone_when_stopped(tmp_path: Path) -> None:
    """A program is ready when its probe says so, and gone when it is stopped."""
    with Ports() as ports:
        process = Process(tiny_program(tmp_path, ports.take()))
        assert not process.ready
        process.start()
        process.wait_ready()
        assert process.ready
        tree = psutil.Process(process.pid).children(recursive=True)
        process.stop()
        process.stop()
        assert not process.ready
        assert not any(child.is_running() for child in tree)
        assert process.restarts == 0


def test_a_program_that_dies_is_started_again(tmp_path: Path) -> None:
    deaths: list[tuple[str, int]] = []
    with Ports() as ports:
        process = Process(tiny_program(tmp_path, ports.take()), lambda name, code: deaths.append((name, code)))
        process.start()
        process.wait_ready()
        (child,) = psutil.Process(process.pid).children()
        child.send_signal(signal.SIGKILL)
        wait_for(lambda: process.restarts == 1)
        wait_for(lambda: process.ready)
        process.stop()
        assert deaths == [("tiny v1", 128 + signal.SIGKILL)]


def test_a_program_that_is_never_ready_is_given_up_with_its_log(tmp_path: Path) -> None:
    """A program that keeps dying before it is ready is given up, and the message has its log."""
    program = replace(
        tiny_program(tmp_path, 1), command=(sys.executable, "-S", "-c", "print('the model is broken'); exit(3)")
    )
    process = Process(program)
    process.start()
    with pytest.raises(ProcessError, match=r"tiny v1 ended 2 times before it was ready(?s:.*)the model is broken"):
        process.wait_ready(max_restarts=1)
    process.stop()


def test_a_program_that_never_answers_is_given_up_in_time(tmp_path: Path) -> None:
    program = replace(
        tiny_program(tmp_path, 1),
        command=(sys.executable, "-S", "-c", "import time; time.sleep(60)"),
        ready_seconds=0.2,
    )
    process = Process(program)
    process.start()
    with pytest.raises(ProcessError, match=r"not ready after 0.2 s(?s:.*)nothing was written"):
        process.wait_ready()
    process.stop()


def test_waiting_ends_when_all_is_stopped(tmp_path: Path) -> None:
    process, stop = Process(tiny_program(tmp_path, 1)), threading.Event()
    stop.set()
    with pytest.raises(ProcessError, match="stopped before it was ready"):
        process.wait_ready(stop=stop)


def test_an_environment_of_its_own_holds_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARIO_FAULT_SLOW_RATIO", "1")
    with Ports() as ports:
        port = ports.take()
        program = replace(tiny_program(tmp_path, port), environment={"CANARIO_VERSION": "9"})
        process = Process(program)
        process.start()
        process.wait_ready()
        answer = loopback.get(f"http://127.0.0.1:{port}/settings")
        process.stop()
    assert answer is not None
    assert answer.json() == {"CANARIO_VERSION": "9"}


def test_nothing_is_left_when_the_twin_itself_is_killed(tmp_path: Path) -> None:
    twin = f"""
import sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from k8s.twin.processes import Process
from tests.k8s.twin.tiny import tiny_program
process = Process(tiny_program(Path({str(tmp_path)!r}), int(sys.argv[1])))
process.start()
process.wait_ready()
print("up", flush=True)
process._watcher.join()
"""
    with Ports() as ports:
        port = ports.take()
        command = [sys.executable, "-c", twin, str(port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path.cwd()) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            tree = psutil.Process(process.pid).children(recursive=True)
            assert len(tree) == 2
            os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: not any(child.is_running() for child in tree))
