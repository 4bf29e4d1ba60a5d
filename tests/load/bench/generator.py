"""A load generator that costs little: keep-alive connections, one request at a time on each, as fast as answers come.

    python -m tests.load.bench.generator --port 3000 --connections 8 --seconds 5 bodies.jsonl

Bodies are sent in turn. Prints one JSON line; latencies are in milliseconds.
Runs as a process of its own, with uvloop and raw sockets, so that it does not limit.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import uvloop

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Client(asyncio.Protocol):
    """One connection that always has one request under way."""

    def __init__(self, requests: Iterator[bytes], run: Run) -> None:
        self._requests, self._run = requests, run
        self._buffer = b""
        self._missing = 0
        self._sent_at = 0.0
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sends the first request."""
        # uvloop's transports are not asyncio.Transport, only like it.
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        self._sent_at = time.perf_counter()
        if self._sent_at >= self._run.ends_at:
            self._transport.close()
            return
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        """Takes a part of an answer; after its last one the next request goes out."""
        if not self._missing:
            data = self._buffer + data if self._buffer else data
            head = data.find(_HEAD_END)
            if head < 0:
                self._buffer = data
                return
            self._buffer = b""
            self._run.failed += not data.startswith(b"HTTP/1.1 200")
            self._missing = head + len(_HEAD_END) + _content_length(data[:head])
        self._missing -= len(data)
        if self._missing <= 0:
            self._missing = 0
            self._run.done(self._sent_at)
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells the run that this client ended, and whether too early."""
        if time.perf_counter() < self._run.ends_at:
            self._run.failed += 1
        if not self.closed.done():
            self.closed.set_result(None)


def _content_length(head: bytes) -> int:
    lower = head.lower()
    start = lower.find(_LENGTH)
    if start < 0:
        raise ValueError("an answer without content-length")
    end = lower.find(b"\r\n", start)
    return int(lower[start + len(_LENGTH) : end if end >= 0 else None])


class Run:
    """What is measured after the warm-up."""

    def __init__(self, warmup_seconds: float, seconds: float) -> None:
        self.starts_at = time.perf_counter() + warmup_seconds
        self.ends_at = self.starts_at + seconds
        self.latencies = array("d")
        self.failed = 0

    def done(self, sent_at: float) -> None:
        """Counts an answer."""
        now = time.perf_counter()
        if sent_at >= self.starts_at:
            self.latencies.append(now - sent_at)

    def summary(self, seconds: float) -> dict[str, float]:
        """Requests a second, percentiles in ms, failures."""
        times = sorted(self.latencies)
        if not times:
            return {"rps": 0.0, "p50_ms": 0.0, "p99_ms": 0.0, "requests": 0, "failed": self.failed}
        return {
            "rps": len(times) / seconds,
            "p50_ms": 1000 * times[len(times) // 2],
            "p99_ms": 1000 * times[int(len(times) * 0.99)],
            "requests": len(times),
            "failed": self.failed,
        }


def http_request(path: str, body: bytes) -> bytes:
    """The bytes of a POST."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + _HEAD_END + body


async def generate(
    port: int, path: str, bodies: Sequence[bytes], connections: int, seconds: float, warmup_seconds: float
) -> dict[str, float]:
    """Loads a server and says how it did."""
    requests = itertools.cycle([http_request(path, body) for body in bodies])
    run = Run(warmup_seconds, seconds)
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(lambda: Client(requests, run), "127.0.0.1", port) for _ in range(connections)]
    await asyncio.wait([client.closed for _, client in pairs], timeout=seconds + warmup_seconds + 30)
    return run.summary(seconds)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bodies", type=Path, help="one JSON body a line")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/predict")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--warmup", type=float, default=1)
    arguments = parser.parse_args()
    bodies = arguments.bodies.read_bytes().splitlines()
    run = generate(arguments.port, arguments.path, bodies, arguments.connections, arguments.seconds, arguments.warmup)
    print(json.dumps(uvloop.run(run)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
