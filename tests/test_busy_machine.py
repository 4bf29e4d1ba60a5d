from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.busy_machine import busy_loops, patient_environment
from tests.k8s.twin.tiny import wait_for
from tests.patience import SETTING, patient

ROOT = Path(__file__).parents[1]


def test_loops_run_as_long_as_the_block() -> None:
    with busy_loops(2) as loops:
        assert [loop.poll() for loop in loops] == [None, None]
    assert None not in [loop.poll() for loop in loops]


def test_a_loop_ends_by_itself() -> None:
    with busy_loops(1, seconds=0.01) as (loop,):
        assert loop.wait(patient(20)) == 0


def test_a_command_waits_longer_unless_somebody_says_how_long() -> None:
    assert patient_environment({"A": "b"}) == {"A": "b", SETTING: "10"}
    assert patient_environment({SETTING: "3"}) == {SETTING: "3"}


@pytest.mark.parametrize(("number", "status"), [(None, 7), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_loops_end_with_the_command_and_its_caller(number: int | None, status: int) -> None:
    """Loops end with the command, and with the process that asked for it."""
    then = "sys.exit(7)" if number is None else "time.sleep(60)"
    # SIGINT as a terminal's: a suite that runs in the background of a shell inherits that it is ignored.
    script = (
        "import os, signal, sys, time; signal.signal(signal.SIGINT, signal.SIG_DFL);"
        f"print(os.getpid(), flush=True); sys.stdin.readline(); {then}"
    )
    command = [sys.executable, "-m", "tests.busy_machine", "--loops", "2", sys.executable, "-S", "-c", script]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        tree = psutil.Process(process.pid).children(recursive=True)
        assert len(tree) == 3
        process.stdin.write("go on\n")
        process.stdin.flush()
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does, whose foreground the command is in
        elif number is not None:
            process.send_signal(number)
        assert process.wait(patient(20)) == status
    wait_for(lambda: not any(child.is_running() for child in tree))
