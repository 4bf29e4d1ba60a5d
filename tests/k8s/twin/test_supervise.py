"""Whatever ends first, no process of the tree is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from k8s.twin import supervise
from tests.k8s.twin.tiny import wait_for
from tests.patience import patient

_SUPERVISE = [sys.executable, "-S", supervise.__file__]
# A command with a child, an orphan (which ignores SIGTERM if asked), and a folder in which each leaves its id.
_TREE = """
import os, signal, subprocess, sys, time
folder, then, orphan = sys.argv[1:]
deaf = "import signal; signal.signal(15, signal.SIG_IGN);" if orphan == "deaf" else ""
sleeper = "import os,sys,time; open(os.path.join(sys.argv[1], 'id-%d' % os.getpid()), 'w'); time.sleep(60)"
subprocess.Popen([sys.executable, "-S", "-c", sleeper, folder])
if os.fork() == 0:
    subprocess.Popen([sys.executable, "-S", "-c", deaf + sleeper, folder])
    os._exit(0)
os.wait()
while len(os.listdir(folder)) < 2: time.sleep(0.01)
open(os.path.join(folder, "id-%d" % os.getpid()), "w")
if then != "wait": sys.exit(int(then))
try: time.sleep(60)
except KeyboardInterrupt: sys.exit(7)
"""


def _start(folder: Path, then: str, orphan: str = "", through: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    folder.mkdir()
    tree = [sys.executable, "-S", "-c", _TREE, str(folder), then, orphan]
    command = [*through, *_SUPERVISE, "--grace=5", "--", *tree]
    return subprocess.Popen(command, start_new_session=True)


def _ids(folder: Path) -> list[int]:
    wait_for(lambda: len(list(folder.iterdir())) == 3)
    return [int(path.name.removeprefix("id-")) for path in folder.iterdir()]


def _gone(ids: list[int]) -> None:
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in ids), seconds=10)


def _command_of(folder: Path, supervisor: int) -> int:
    """The id of the command itself: the supervisor's own child, and no orphan it adopted."""
    script = psutil.Process(supervisor)
    return next(child.pid for child in script.children() if "wait" in child.cmdline())


@pytest.mark.parametrize(("code", "orphan"), [(0, ""), (3, "deaf")])
def test_a_command_that_ends_takes_its_tree_and_gives_its_code(tmp_path: Path, code: int, orphan: str) -> None:
    """A command that ends takes the tree of its processes along, and gives its exit code."""
    process = _start(tmp_path / "ids", str(code), orphan)
    assert process.wait(patient(20)) == code
    _gone(_ids(tmp_path / "ids"))


def test_ctrl_c_reaches_the_command_once_and_ends_the_tree(tmp_path: Path) -> None:
    process = _start(tmp_path / "ids", "wait")
    ids = _ids(tmp_path / "ids")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(patient(20)) == 7
    _gone(ids)


def test_ctrl_c_reaches_what_a_shell_runs() -> None:
    # The child says that it is up itself: a shell loses a SIGINT that comes between its fork and the child's exec.
    child = "import time; print('up', flush=True); time.sleep(60)"
    script = f'"{sys.executable}" -S -c "{child}"; echo down'
    command = [*_SUPERVISE, "--grace=30", "--", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(patient(10)) == 128 + signal.SIGINT
        assert process.stdout.read() == b""  # the shell went with its child


def test_sigterm_is_passed_on(tmp_path: Path) -> None:
    process = _start(tmp_path / "ids", "wait")
    ids = _ids(tmp_path / "ids")
    process.terminate()
    assert process.wait(patient(20)) == 128 + signal.SIGTERM
    _gone(ids)


def test_a_command_that_is_killed_leaves_no_orphan(tmp_path: Path) -> None:
    process = _start(tmp_path / "ids", "wait")
    ids = _ids(tmp_path / "ids")
    os.kill(_command_of(tmp_path / "ids", process.pid), signal.SIGKILL)
    assert process.wait(patient(20)) == 128 + signal.SIGKILL
    _gone(ids)


def test_a_parent_that_is_killed_ends_the_tree(tmp_path: Path) -> None:
    # The shell has two commands to run, so that it stays as make does.
    parent = _start(tmp_path / "ids", "wait", through=("sh", "-c", '"$@"; true', "sh"))
    ids = _ids(tmp_path / "ids")
    supervisor = psutil.Process(parent.pid).children()[0].pid
    parent.kill()
    parent.wait()
    _gone([*ids, supervisor])


def test_a_supervisor_that_is_killed_ends_the_command(tmp_path: Path) -> None:
    process = _start(tmp_path / "ids", "wait")
    ids = _ids(tmp_path / "ids")
    command = _command_of(tmp_path / "ids", process.pid)
    process.kill()
    process.wait()
    _gone([command])
    for left in set(ids) - {command}:  # nobody can clear up any more: we do
        os.kill(left, signal.SIGKILL)


def test_a_command_that_does_not_exist_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert subprocess.run([*_SUPERVISE, "--", str(tmp_path / "nothing")], check=False).returncode == 127
    assert "nothing: cannot be started: No such file" in capfd.readouterr().err


def test_a_command_deaf_to_sigterm_is_killed_after_the_grace() -> None:
    """A command that ignores SIGTERM is killed after the grace."""
    deaf = "import signal,time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    command = [*_SUPERVISE, "--grace=0.3", "--", sys.executable, "-S", "-c", deaf]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"deaf\n"
        process.terminate()
        assert process.wait(patient(10)) == 128 + signal.SIGKILL
