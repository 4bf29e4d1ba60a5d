"""A model server in this process, and a caller that speaks ASGI to it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import uvicorn

from components.package.model_package import Package
from services.model_server.app import ModelApp
from services.model_server.assembly import Server
from services.model_server.settings import read_settings
from tests.patience import patient
from tests.services.model_server.served import Served, StartServed, small_bento, start
from tests.small_package import write_small_package


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """Sends one request at a time; a body may come in several pieces."""

    def __init__(self, app: ModelApp) -> None:
        self.app = app

    def call(
        self,
        method: str,
        path: str,
        pieces: Sequence[bytes] = (b"",),
        headers: Mapping[str, str] | None = None,
        *,
        then: Literal["end", "hang up", "silence"] = "end",
    ) -> Reply | None:
        """The answer, None if there was none; `then` says what follows the pieces of the body."""
        return asyncio.run(self.ask(method, path, pieces, headers, then=then))

    async def ask(
        self,
        method: str,
        path: str,
        pieces: Sequence[bytes] = (b"",),
        headers: Mapping[str, str] | None = None,
        *,
        then: Literal["end", "hang up", "silence"] = "end",
    ) -> Reply | None:
        """As `call`, for several requests at once."""
        messages: list[MutableMapping[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": then != "end" or place < len(pieces)}
            for place, piece in enumerate(pieces, 1)
        ]
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            if not messages and then == "silence":
                await asyncio.Event().wait()
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        raw = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        scope = {"type": "http", "method": method, "path": path, "headers": raw}
        await self.app(scope, receive, send)
        if not sent:
            return None
        start, body = sent
        names = {name.decode(): value.decode() for name, value in start["headers"]}
        assert int(names["content-length"]) == len(body["body"])
        return Reply(start["status"], names, body["body"])

    def get(self, path: str) -> Reply:
        reply = self.call("GET", path)
        assert reply is not None
        return reply

    def post(self, path: str, document: Any = None, *, body: bytes | None = None, **headers: str) -> Reply:
        content = json.dumps(document).encode() if body is None else body
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = self.call("POST", path, (content,), names)
        assert reply is not None
        return reply

    def predict(self, document: Any = None, **more: Any) -> Reply:
        return self.post("/predict", document, **more)

    def metrics(self) -> dict[str, float]:
        """Every sample by its name and its labels but service and version."""
        text = self.get("/metrics").body.decode()
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return {_short_name(line.rpartition(" ")[0]): float(line.rpartition(" ")[2]) for line in lines}


def _short_name(sample: str) -> str:
    name, _, labels = sample.rstrip("}").partition("{")
    kept = [label for label in labels.split(",") if not label.startswith(("service=", "version="))]
    return f"{name}{{{','.join(kept)}}}" if kept else name


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return write_small_package(tmp_path_factory.mktemp("packages") / "small")


@pytest.fixture(scope="session")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bento(tmp_path_factory)


@pytest.fixture(scope="module")
def launch(bento: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServed]:
    started: list[Served] = []

    def start_one(workers: int = 1, **settings: str) -> Served:
        started.append(start(bento, tmp_path_factory.mktemp("home"), workers, settings))
        return started[-1]

    yield start_one
    for served in started:
        if served.process.poll() is None:
            served.stop()


StartServer = Callable[..., Caller]


@pytest.fixture
def serve(package: Package) -> Iterator[StartServer]:
    """Makes a server with settings such as `log_dir="..."`; its logs are closed in the end."""
    servers: list[Server] = []

    def start(
        folder: Path = package.path,
        *,
        prove: bool = True,
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
        **settings: Any,
    ) -> Caller:
        values = {"package": folder, "recent_requests": 1024, **settings}
        environment = {f"CANARIO_{name.upper()}": str(value) for name, value in values.items()}
        server = Server(read_settings(environment), {}, clock, wall)
        servers.append(server)
        if prove:
            server.app.self_test()
        return Caller(server.app)

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def server(serve: StartServer) -> Caller:
    return serve()


@contextmanager
def listening(app: ModelApp) -> Iterator[int]:
    """The application on a port of this machine, in a thread."""
    config = uvicorn.Config(app, port=0, lifespan="off", log_level="critical", loop="asyncio", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server._serve()))
    thread.start()
    pause = threading.Event()
    while not server.started:
        pause.wait(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(patient(10))
