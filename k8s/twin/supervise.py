"""Runs a command and leaves no process of its tree behind, however it ends.

    python -m k8s.twin.supervise [--grace SECONDS] [--parent PID] -- COMMAND...

The command runs in its own process group and receives SIGTERM and SIGHUP; SIGINT goes
to the whole group, as a terminal's Ctrl-C does. When the command ends, or this
process's parent is gone, the rest of the tree gets SIGTERM and then SIGKILL. On
Linux that includes orphans, because this process adopts them
(PR_SET_CHILD_SUBREAPER); and if this process itself is killed, the command gets
SIGTERM (PR_SET_PDEATHSIG). Elsewhere the command's process group is killed.

Exits with the command's code, or with 128 + N when signal N ended it.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS = 0.2
_LEFTOVER_GRACE_SECONDS = 2.0
_ON_LINUX = sys.platform == "linux"


def main(arguments: Sequence[str]) -> int:
    """Runs the command to its end and clears up; returns the exit code."""
    given = _parse(arguments)
    received = _catch_signals()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        command = subprocess.Popen(given.command, process_group=0, preexec_fn=_end_with_parent())  # noqa: PLW1509 -- no threads here
    except OSError as error:
        print(f"{given.command[0]}: cannot be started: {error.strerror}", file=sys.stderr)
        return 127
    status = _attend(command.pid, received, given.parent, given.grace)
    command.returncode = status  # reaped by us, so that Popen must not wait for it
    _clear(command.pid)
    return status if status >= 0 else 128 - status


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m k8s.twin.supervise", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--grace", type=float, default=30.0, help="seconds between SIGTERM and SIGKILL")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="process whose end ends the command")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    return parser.parse_args(arguments)


def _catch_signals() -> list[int]:
    """Returns a list that collects the signals to forward; each signal also wakes `_pause`."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    for number in _FORWARDED:
        signal.signal(number, note)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    _wakeups.append(read_end)
    return received


_wakeups: list[int] = []


def _pause(seconds: float) -> None:
    """Sleeps until a signal arrives, at most for `seconds`."""
    readable, _, _ = select.select(_wakeups, [], [], seconds)
    for descriptor in readable:
        os.read(descriptor, 4096)


def _prctl(option: int, value: int) -> None:
    if _ON_LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _end_with_parent() -> Callable[[], None]:
    """The function to run between fork and exec; it loads the library before the fork."""
    if not _ON_LINUX:
        return lambda: None
    library, parent = ctypes.CDLL(None), os.getpid()

    def ask() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # the parent ended before prctl was called
            os.kill(os.getpid(), signal.SIGTERM)

    return ask


def _attend(pid: int, received: list[int], parent: int, grace: float) -> int:
    """Forwards signals until the command has ended; returns its exit code, negative for a signal."""
    kill_at = float("inf")
    while (status := _reap(pid)) is None:
        if os.getppid() != parent and kill_at == float("inf"):
            received.append(signal.SIGTERM)
        while received:
            number = received.pop(0)
            _send(-pid if number == signal.SIGINT else pid, number)
            kill_at = min(kill_at, time.monotonic() + grace)
        if time.monotonic() >= kill_at:
            _send(pid, signal.SIGKILL)
        _pause(_POLL_SECONDS)
    return status


def _reap(pid: int) -> int | None:
    """Reaps every child that has ended; returns the exit code of `pid` if it is among them."""
    status = None
    while True:
        try:
            ended, raw = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if ended == 0:
            return status
        if ended == pid:
            status = os.waitstatus_to_exitcode(raw)


def _clear(pid: int) -> None:
    """Ends the processes that the command left behind: SIGTERM first, then SIGKILL."""
    if not _ON_LINUX:
        _send(-pid, signal.SIGKILL)
        return
    left = descendants(os.getpid())
    for process in left:
        _send(process, signal.SIGTERM)
    kill_at = time.monotonic() + _LEFTOVER_GRACE_SECONDS
    while left and time.monotonic() < kill_at + _LEFTOVER_GRACE_SECONDS:
        _pause(0.02)
        _reap(pid)
        left = descendants(os.getpid())
        if time.monotonic() >= kill_at:
            for process in left:
                _send(process, signal.SIGKILL)


def _send(pid: int, number: int) -> None:
    """Signals a process, or a process group if `pid` is negative."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # the process has already ended
    except PermissionError:
        print(f"process {pid} belongs to somebody else and stays", file=sys.stderr)


def descendants(root: int) -> list[int]:
    """Every process below `root` as /proc shows it now, zombies included."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 -- only the names are needed
        if entry.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry))
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found.extend(below)
        queue.extend(below)
    return found


def _parent(pid: str) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 -- pathlib doubles the start-up time
            # The name in brackets may hold anything; the parent is the second field after it.
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return None  # the process ended in the meantime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
