"""Loopback ports that nobody else on this machine gets while we hold them."""

from __future__ import annotations

import socket
import sys
from types import TracebackType
from typing import Self


class Ports:
    """Ports held for the processes of one twin.

    A port stays bound, but not listened on, so that neither another twin nor an
    outgoing connection is given it, while our own server may still listen there:
    Linux lets two sockets with SO_REUSEADDR share a port as long as one of them
    listens at most. Elsewhere a port is free when it is taken, and no more than that.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self) -> int:
        """A port of 127.0.0.1 that is free now."""
        holder = socket.socket()
        holder.bind(("127.0.0.1", 0))
        # Only after binding: a socket that may share is also given shared ports.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port: int = holder.getsockname()[1]
        if sys.platform == "linux":
            self._held.append(holder)
        else:
            holder.close()
        return port

    def close(self) -> None:
        """Gives every port back."""
        while self._held:
            self._held.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
