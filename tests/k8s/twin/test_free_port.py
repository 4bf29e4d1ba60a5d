from __future__ import annotations

import socket

import pytest

from k8s.twin.free_port import is_free, main


def test_the_usual_port_or_another_one(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = int(server.getsockname()[1])
        assert main(["--name", "make ui", "--usual", str(taken)]) == 0
        told = capsys.readouterr()
        assert int(told.out) != taken
        assert f"make ui: port {taken} is taken by another program" in told.err
    assert main(["--name", "make ui", "--usual", str(taken)]) == 0
    assert int(capsys.readouterr().out) == taken


@pytest.mark.parametrize("port", ["0", "x", "65536", "-1"])
def test_what_is_no_port_is_one_sentence(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--name", "make serve", "--usual", "8080", f"--port={port}"]) == 2
    assert capsys.readouterr().err == f"make serve: PORT={port} is no port; allowed is 1 to 65535\n"


def test_a_chosen_port_that_is_taken_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        assert main(["--name", "make ui", "--usual", "5000", "--port", str(port)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"make ui: PORT={port} is taken")
