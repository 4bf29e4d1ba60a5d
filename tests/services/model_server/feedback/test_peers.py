from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any, ClassVar

import httpx
import pytest

from components.package.model_package import Package
from services.model_server.app import Receive, Scope, Send
from services.model_server.assembly import Server
from services.model_server.feedback.peers import UNKNOWN, LabelOutcome, Peers
from services.model_server.settings import read_settings
from tests.services.model_server.conftest import StartServer, listening
from tests.small_package import GOOD


class Counting(httpx.AsyncClient):
    """Counts how many there are and how many were closed."""

    made: ClassVar[list[Counting]] = []

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.made.append(self)


def test_one_client_asks_the_peers_for_all_messages(serve: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One client asks the peers for all messages, and is closed in the end."""
    Counting.made.clear()
    monkeypatch.setattr(httpx, "AsyncClient", Counting)
    answered = serve()
    known = answered.predict(GOOD).headers["x-request-id"]
    with listening(answered.app) as port:
        peers = Peers([f"127.0.0.1:{port}"])

        async def ask_thrice() -> list[list[LabelOutcome]]:
            found = [await peers.ask([{"request_id": one, "label": "Yes"}]) for one in ("a", known, "b")]
            await peers.close()
            return found

        assert asyncio.run(ask_thrice()) == [[UNKNOWN], [LabelOutcome(matched=True)], [UNKNOWN]]
    assert [client.is_closed for client in Counting.made] == [True]


def test_a_server_that_stops_closes_its_client(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    Counting.made.clear()
    monkeypatch.setattr(httpx, "AsyncClient", Counting)
    settings = {"CANARIO_PACKAGE": str(package.path), "CANARIO_RECENT_REQUESTS": "64", "CANARIO_PEERS": "127.0.0.1:1"}
    server = Server(read_settings(settings), {})
    body = json.dumps({"request_id": "a", "label": "Yes"}).encode()
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message["type"])

    async def stopping(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.shutdown.complete"})

    async def life() -> list[bool]:
        await server({"type": "http", "method": "POST", "path": "/feedback", "headers": []}, receive, send)
        before = [client.is_closed for client in Counting.made]
        await server.inside(stopping)({"type": "lifespan"}, receive, send)
        return before

    assert asyncio.run(life()) == [False]
    assert [client.is_closed for client in Counting.made] == [True]
    assert sent[-1] == "lifespan.shutdown.complete"


def test_a_server_that_needs_no_peer_makes_no_client(serve: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    Counting.made.clear()
    monkeypatch.setattr(httpx, "AsyncClient", Counting)
    server = serve(peers="127.0.0.1:1")
    request_id = server.predict(GOOD).headers["x-request-id"]
    assert server.post("/feedback", {"request_id": request_id, "label": "Yes"}).status == 200
    assert Counting.made == []


def test_a_flood_of_unknown_ids_is_asked_a_few_at_a_time() -> None:
    """A flood of unknown ids is asked a few at a time, and all are answered."""
    open_now, most = 0, 0

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        message = json.loads(await reader.readexactly(int(head.partition("content-length: ")[2].split()[0])))
        await asyncio.sleep(0.005)
        open_now -= 1
        body = json.dumps([{"request_id": message[0]["request_id"], "matched": True}]).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    async def flood() -> list[list[LabelOutcome]]:
        listener = await asyncio.start_server(peer, "127.0.0.1", 0)
        async with listener:
            peers = Peers([f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"])
            found = await asyncio.gather(*(peers.ask([{"request_id": str(n), "label": "Yes"}]) for n in range(60)))
            await peers.close()
        return found

    assert asyncio.run(flood()) == [[LabelOutcome(matched=True)]] * 60
    assert 1 < most <= 8
