"""A keep-alive connection to the candidate: requests go out together, answers arrive in order (pipelining).

It parses with httptools; a client library's hundreds of microseconds per request would slow the callers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

import httptools

from services import telemetry

#: A model server never sends a longer answer.
_LARGEST_ANSWER_BYTES: Final = 16 * 1_048_576


class Connection(asyncio.Protocol):
    """Calls `answered` with the answers that arrived, as (status, body), and `lost` when the connection is gone."""

    def __init__(
        self,
        answered: Callable[[Connection, list[tuple[int, bytes]]], None],
        lost: Callable[[Connection], None],
    ) -> None:
        self._answered, self._lost = answered, lost
        self._chunks: list[bytes] = []
        self._size = 0
        self._complete: list[tuple[int, bytes]] = []
        self._parser = httptools.HttpResponseParser(self)
        #: True while more requests may be sent.
        self.usable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport for writing."""
        # uvloop's transports only resemble asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)

    def send(self, data: bytes) -> None:
        """Sends the bytes of one or more requests."""
        self._transport.write(data)

    def close(self) -> None:
        """Ends the connection at once."""
        self.usable = False
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parses a part of the answers and reports the complete ones."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
        if self._complete:
            complete, self._complete = self._complete, []
            self._answered(self, complete)

    def connection_lost(self, _error: Exception | None) -> None:
        """Reports that nothing more can be sent."""
        self.usable = False
        self._lost(self)

    def on_body(self, body: bytes) -> None:
        """Called by httptools with a part of a body."""
        self._size += len(body)
        if self._size > _LARGEST_ANSWER_BYTES:
            self.close()
        else:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Called by httptools at the end of an answer."""
        self._complete.append((self._parser.get_status_code(), b"".join(self._chunks)))
        self._chunks, self._size = [], 0
        if not self._parser.should_keep_alive():
            self.close()


def request_head(host: str, path: str) -> bytes:
    """The beginning of every request; the id, the length and the body follow."""
    lines = (f"POST {path} HTTP/1.1", f"host: {host}", "content-type: application/json")
    return "\r\n".join((*lines, f"{telemetry.SHADOW_HEADER}: 1", f"{telemetry.REQUEST_ID_HEADER}: ")).encode()
