"""Loopback ports that no other process on this machine gets while we hold them."""

from __future__ import annotations

import socket
import sys
from types import TracebackType
from typing import Self


class Ports:
    """Ports held for the processes of one twin.

    A held port is bound but not listened on. The kernel then gives it to no other twin and to
    no outgoing connection, while our own server may still listen there: Linux lets two sockets
    with SO_REUSEADDR share a port as long as at most one of them listens. Other systems only
    guarantee that the port is free at the moment it is taken.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self) -> int:
        """A port of 127.0.0.1 that is free now."""
        holder = socket.socket()
        holder.bind(("127.0.0.1", 0))
        # Only after binding: with this option set, bind could return a port that is already shared.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port: int = holder.getsockname()[1]
        if sys.platform == "linux":
            self._held.append(holder)
        else:
            holder.close()
        return port

    def close(self) -> None:
        """Releases every port."""
        while self._held:
            self._held.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
