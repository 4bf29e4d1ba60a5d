"""Prints a port of this machine's loopback that is free: the one asked for, or the usual one, or else another.

    python -m k8s.twin.free_port --name "make ui" --usual 5000 [--port 5001]

It exits with 2 and a sentence if the port that was asked for is taken, or is none.
"""

from __future__ import annotations

import argparse
import socket
import sys


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(description="prints a free port")
    parser.add_argument("--name", required=True, help="the command that asks")
    parser.add_argument("--usual", type=int, required=True, help="the port where it is expected")
    parser.add_argument("--port", help="the port that a person chose")
    given = parser.parse_args(arguments)
    try:
        print(_chosen(given.port) if given.port else _usual(given.usual, given.name))
    except ValueError as error:
        print(f"{given.name}: {error}", file=sys.stderr)
        return 2
    return 0


def _chosen(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ValueError(f"PORT={text} is no port; allowed is 1 to 65535")
    if not is_free(int(text)):
        raise ValueError(f"PORT={text} is taken by another program, or not yours to take; choose another one")
    return int(text)


def _usual(port: int, name: str) -> int:
    if is_free(port):
        return port
    with socket.create_server(("127.0.0.1", 0)) as server:
        other = int(server.getsockname()[1])
    print(f"{name}: port {port} is taken by another program, so it is {other}; PORT= chooses one", file=sys.stderr)
    return other


def is_free(port: int) -> bool:
    """Whether a program of this user can listen there."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
