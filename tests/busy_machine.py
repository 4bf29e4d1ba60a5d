"""Runs a command on a machine that is busy with other work, with patience for it.

    python -m tests.busy_machine [--loops 10] COMMAND ...

Beside the command that many loops keep the processors busy. They end with the command, on Ctrl-C too, and by
themselves after three hours or when nobody is left to end them. The setting of `tests.patience` is 10 for the
command, unless somebody set it. Exit status: the command's.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from tests.patience import SETTING

_LONGEST_SECONDS: Final = 3 * 3600
_PATIENCE: Final = "10"
_LOOP: Final = """
import os, sys, time
end, parent = time.monotonic() + float(sys.argv[1]), int(sys.argv[2])
while time.monotonic() < end and os.getppid() == parent:
    for _ in range(100_000):
        pass
"""


@contextmanager
def busy_loops(count: int, seconds: float = _LONGEST_SECONDS) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Keeps so many processors busy while the block runs, for at most so many seconds."""
    command = [sys.executable, "-S", "-c", _LOOP, str(seconds), str(os.getpid())]
    loops: list[subprocess.Popen[bytes]] = []
    try:
        # One by one, so that those that were started are ended where another cannot be.
        for _ in range(count):
            loops.append(subprocess.Popen(command, start_new_session=True))  # noqa: PERF401
        yield loops
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.wait()


def patient_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which tests wait longer."""
    return {SETTING: _PATIENCE, **environment}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.busy_machine", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--loops", type=int, default=10, help="how many (%(default)s)")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    with busy_loops(options.loops):
        return _run(options.command)


def _run(command: list[str]) -> int:
    """Runs a command to its end. A terminal's Ctrl-C reaches it without us, SIGTERM is passed on."""
    # Not a KeyboardInterrupt: one that comes just when the command has ended loses its status, which then reads 0.
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    with subprocess.Popen(command, env=patient_environment(os.environ)) as running:
        signal.signal(signal.SIGTERM, lambda _number, _frame: running.terminate())
        status = running.wait()
        return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
