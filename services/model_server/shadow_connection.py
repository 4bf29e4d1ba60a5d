"""A keep-alive connection to the candidate, with one request under way at a time.

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
    """Tells `answered` each answer's status and body, and `lost` that it is gone."""

    def __init__(self, answered: Callable[[Connection, int, bytes], None], lost: Callable[[Connection], None]) -> None:
        self._answered, self._lost = answered, lost
        self._chunks: list[bytes] = []
        self._size = 0
        self._complete = False
        self._parser = httptools.HttpResponseParser(self)
        #: Whether another request may be sent.
        self.usable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way to write."""
        # uvloop's transports are not asyncio.Transport, only like it.
        self._transport = cast("asyncio.Transport", transport)

    def send(self, data: bytes) -> None:
        """Sends a request."""
        self._transport.write(data)

    def close(self) -> None:
        """Ends the connection at once."""
        self.usable = False
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Takes a part of an answer; a second answer to one request is none of HTTP's."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
            return
        if self._complete:
            body = b"".join(self._chunks)
            self._chunks, self._size, self._complete = [], 0, False
            if not self._parser.should_keep_alive():
                self.close()
            self._answered(self, self._parser.get_status_code(), body)

    def connection_lost(self, _error: Exception | None) -> None:
        """Nothing more can be sent."""
        self.usable = False
        self._lost(self)

    def on_body(self, body: bytes) -> None:
        """httptools: a part of the body."""
        self._size += len(body)
        if self._size > _LARGEST_ANSWER_BYTES:
            self.close()
        else:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        """httptools: the answer's end."""
        self._complete = True


def request_head(host: str, path: str) -> bytes:
    """What every request begins with; the id, the length and the body follow."""
    lines = (f"POST {path} HTTP/1.1", f"host: {host}", "content-type: application/json")
    return "\r\n".join((*lines, f"{telemetry.SHADOW_HEADER}: 1", f"{telemetry.REQUEST_ID_HEADER}: ")).encode()
