"""A process that is kept from the network cannot leave the machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from k8s.replay.alone import bare_environment, guard_python, isolation
from k8s.replay.no_network import refuse


def outcome(folder: Path, program: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    guard_python(folder)
    command = [*prefix, sys.executable, "-c", program]
    return subprocess.run(command, env=bare_environment(folder), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "program",
    [
        "socket.create_connection(('192.0.2.1', 80), 5)",
        "socket.getaddrinfo('packages.example', 443)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "__import__('urllib.request').request.urlopen('http://192.0.2.1/', timeout=5)",
    ],
)
def test_no_python_reaches_another_machine(tmp_path: Path, program: str) -> None:
    done = outcome(tmp_path, f"import socket\n{program}")
    assert done.returncode == 1
    assert "a replay has no network" in done.stderr


def test_a_process_of_a_guarded_process_is_guarded(tmp_path: Path) -> None:
    inner = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
    done = outcome(tmp_path, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])")
    assert "a replay has no network" in done.stderr


def test_this_machine_itself_may_be_asked(tmp_path: Path) -> None:
    program = (
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname()[:2], 5)\nfirst, second = socket.socketpair()\nprint('asked')"
    )
    done = outcome(tmp_path, program)
    assert (done.stdout, done.stderr) == ("asked\n", "")


def test_the_kernel_gives_no_interface_where_it_gives_a_network(tmp_path: Path) -> None:
    alone = isolation()
    if not alone.prefix:
        pytest.skip("this kernel gives nobody a network of his own")
    done = outcome(tmp_path, "print(open('/proc/net/dev').read().count(':'))", alone.prefix)
    assert done.stdout == "1\n"


def test_no_credential_and_no_proxy_goes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_URI", "CANARIO_COMMIT"):
        monkeypatch.setenv(name, "1")
    decide = ("OMP_NUM_THREADS", "OPENBLAS_CORETYPE", "MKL_CBWR")
    for name in decide:
        monkeypatch.setenv(name, "1")
    kept = bare_environment(tmp_path)
    assert {"HTTPS_PROXY", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_URI", "CANARIO_COMMIT"} & kept.keys() == set()
    assert kept["PYTHONPATH"] == str(tmp_path)
    assert {name: kept[name] for name in decide} == dict.fromkeys(decide, "1"), "the last bits hang on them"


def test_events_that_ask_nobody_are_let_through() -> None:
    refuse("open", ("192.0.2.1", "r", 0))
    refuse("socket.connect", (None, "/run/a.sock"))
    with pytest.raises(PermissionError, match=r"192\.0\.2\.1"):
        refuse("socket.connect", (None, ("192.0.2.1", 80)))
