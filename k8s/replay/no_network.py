"""Refuses connections to other machines in every Python process that finds this file as `sitecustomize`.

It uses only the standard library, because Python reads it before everything else. An audit hook cannot be
removed (docs.python.org/3/library/sys.html#sys.addaudithook). Files and sockets of this machine stay allowed.
"""

from __future__ import annotations

import sys
from typing import Any

_NAMES = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_ADDRESSES = ("socket.connect", "socket.sendto", "socket.sendmsg")
_HERE = ("localhost", "127.0.0.1", "::1", None, "")


def host_of(event: str, arguments: tuple[Any, ...]) -> Any:
    """The host of a socket event; None for other events and for sockets that are files."""
    if event in _NAMES:
        return arguments[0]
    address = arguments[1] if event in _ADDRESSES else None
    return address[0] if isinstance(address, tuple) else None


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook.

    Raises:
        PermissionError: the event would reach another machine.
    """
    host = host_of(event, arguments)
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if host not in _HERE:
        raise PermissionError(f"a replay has no network, and {host} was to be asked ({event})")


if __name__ == "sitecustomize":
    sys.addaudithook(refuse)
