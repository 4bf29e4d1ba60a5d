from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from tests.load.bench.generator import generate, http_request

ANSWER = b"HTTP/1.1 %s\r\nContent-Length: 4\r\n\r\ntrue"


class Peer:
    """Answers each request, in one piece or byte by byte, and counts the bodies."""

    def __init__(self, status: bytes, *, in_pieces: bool = False) -> None:
        self.answer, self.in_pieces = ANSWER % status, in_pieces
        self.bodies: Counter[bytes] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(1000):
            self.bodies[head.partition(b"\r\n\r\n")[2]] += 1
            pieces = [self.answer[:9], self.answer[9:40], self.answer[40:]] if self.in_pieces else [self.answer]
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()


def load(peer: Peer) -> dict[str, float]:
    async def run() -> dict[str, float]:
        server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await generate(port, "/predict", [b"1", b"2"], 3, seconds=0.2, warmup_seconds=0.05)

    return asyncio.run(run())


@pytest.mark.parametrize("in_pieces", [False, True])
def test_every_request_is_counted_once(in_pieces: bool) -> None:
    peer = Peer(b"200 OK", in_pieces=in_pieces)
    began = time.perf_counter()
    found = load(peer)
    lasted_ms = 1000 * (time.perf_counter() - began)
    assert found["failed"] == 0
    assert 0 < found["requests"] <= peer.bodies.total()
    assert found["rps"] == pytest.approx(found["requests"] / 0.2)
    assert 0 < found["p50_ms"] <= found["p99_ms"] < lasted_ms
    # Bodies are sent in turn.
    assert abs(peer.bodies[b"1"] - peer.bodies[b"2"]) <= 1


def test_an_answer_other_than_200_is_a_failure() -> None:
    peer = Peer(b"422 No")
    assert load(peer)["failed"] == peer.bodies.total()


def test_the_request_is_http() -> None:
    assert http_request("/x", b"{}") == (
        b"POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    )
