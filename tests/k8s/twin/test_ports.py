"""A held port is ours alone, and our own server may still listen there."""

from __future__ import annotations

import socket
import sys

import pytest

from k8s.twin.ports import Ports


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port is only free at the moment it is taken")
def test_nobody_else_gets_a_held_port() -> None:
    with Ports() as ports:
        port = ports.take()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))


def test_our_server_may_listen_on_a_held_port_again_and_again() -> None:
    with Ports() as ports:
        port = ports.take()
        for _ in range(3):
            with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
                pass


def test_ports_differ_and_are_given_back() -> None:
    with Ports() as mine, Ports() as theirs:
        taken = [ports.take() for ports in (mine, theirs, mine, theirs)]
        assert len(set(taken)) == 4
    with socket.socket() as other:
        other.bind(("127.0.0.1", taken[0]))
