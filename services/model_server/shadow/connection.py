"""A keep-alive connection to the candidate: requests go out together, answers come in their order (pipelining).

httptools parses; a client library's hundreds of microseconds a request would be taken from callers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

import httptools

from services import telemetry

#: A longer answer is none of a model server's.
_LARGEST_ANSWER_BYTES: Final = 16 * 1_048_576


class Connection(asyncio.Protocol):
    """Tells `answered` the answers that came, each with status and body, and `lost` that it is gone."""

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
        #: Whether more requests may be sent.
        self.usable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way to write."""
        # uvloop's transports are not asyncio.Transport, only like it.
        self._transport = cast("asyncio.Transport", transport)

    def send(self, data: bytes) -> None:
        """Sends requests."""
        self._transport.write(data)

    def close(self) -> None:
        """Ends the connection at once."""
        self.usable = False
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Takes a part of the answers."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
        if self._complete:
            complete, self._complete = self._complete, []
            self._answered(self, complete)

    def connection_lost(self, _error: Exception | None) -> None:
        """Nothing more can be sent."""
        self.usable = False
        self._lost(self)

    def on_body(self, body: bytes) -> None:
        """httptools: a part of a body."""
        self._size += len(body)
        if self._size > _LARGEST_ANSWER_BYTES:
            self.close()
        else:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        """httptools: an answer's end."""
        self._complete.append((self._parser.get_status_code(), b"".join(self._chunks)))
        self._chunks, self._size = [], 0
        if not self._parser.should_keep_alive():
            self.close()


def request_head(host: str, path: str) -> bytes:
    """What every request begins with; the id, the length and the body follow."""
    lines = (f"POST {path} HTTP/1.1", f"host: {host}", "content-type: application/json")
    return "\r\n".join((*lines, f"{telemetry.SHADOW_HEADER}: 1", f"{telemetry.REQUEST_ID_HEADER}: ")).encode()
