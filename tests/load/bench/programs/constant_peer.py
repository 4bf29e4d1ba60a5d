"""Uvicorn with a constant answer, which shows what the load generator can do: python constant_peer.py FOLDER PORT."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

BODY = b'{"probability":0.5,"label":"Yes","version":"1"}'
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(BODY))]}


async def app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send({"type": "http.response.body", "body": BODY})


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), lifespan="off", log_level="warning", access_log=False)
