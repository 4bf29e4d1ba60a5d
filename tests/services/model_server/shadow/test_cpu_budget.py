from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.model_server.shadow.cpu_budget import CpuBudget, unstalled_clock


def test_an_allowance_gives_a_share_of_the_time_that_passes() -> None:
    now = [0.0]
    allowance = CpuBudget(0.1, 0.5, lambda: now[0])
    assert allowance.wait_seconds() == 0
    allowance.spend(1.5)
    # One second is owed, and half a second is saved up before it goes on.
    assert allowance.wait_seconds() == pytest.approx(10.5)
    now[0] = 10.1
    assert allowance.wait_seconds() == 0
    now[0] = 1000.0
    allowance.wait_seconds()
    allowance.spend(0.6)
    assert allowance.wait_seconds() > 0


def test_unstalled_clock_passes_in_rest_and_in_work() -> None:
    """Own time passes while there is nothing to do, and while there is work."""
    clock = unstalled_clock()
    at, start = time.monotonic(), clock()
    time.sleep(0.02)
    while time.monotonic() < at + 0.04:
        pass
    assert 0 < clock() - start <= time.monotonic() - at


_CONTEST = """
import os, sys, time
from services.model_server.shadow.cpu_budget import unstalled_clock
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
clock = unstalled_clock()
start, at = clock(), time.monotonic()
other = os.fork()
while time.monotonic() < at + 0.5:
    pass
if other:
    os.waitpid(other, 0)
    print((clock() - start) / (time.monotonic() - at))
"""


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this kernel does not tell")
def test_unstalled_clock_stands_still_while_another_process_runs() -> None:
    """Own time stands still while another process has the processor."""
    done = subprocess.run(
        [sys.executable, "-c", _CONTEST],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": "."},
    )
    # Two that always want one processor have half of it each; others may have their part too.
    assert float(done.stdout) < 0.75
