"""Asks the other replicas about feedback that is unknown here; traffic is split, so another may have answered."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from services import telemetry
from services.model_server.events import log_event

_TIMEOUT_SECONDS: Final = 2.0
#: Feedback requests that may ask at once; the rest wait, so that many unknown ids do not open as many connections.
_ASKING: Final = 8


@dataclass(frozen=True, slots=True)
class LabelOutcome:
    """The outcome of one message; `problem` says why its labels do not count although its request is known."""

    matched: bool
    problem: str = ""

    @property
    def known(self) -> bool:
        """True if the replica that reports this outcome answered the request."""
        return self.matched or bool(self.problem)

    def document(self) -> dict[str, Any]:
        """The outcome as JSON values, as in an answer."""
        return {"matched": self.matched, **({"problem": self.problem} if self.problem else {})}


UNKNOWN: Final = LabelOutcome(matched=False)


class Peers:
    """The other replicas, for one worker."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names` are host:port; a host may have many addresses."""
        self._names = tuple(names)
        self._client: httpx.AsyncClient | None = None
        self._asking = asyncio.Semaphore(_ASKING)

    def __bool__(self) -> bool:
        """True if there is any peer to ask."""
        return bool(self._names)

    async def ask(self, messages: Sequence[dict[str, Any]]) -> list[LabelOutcome]:
        """One outcome per message, from whichever peer knows the request. A silent peer counts as not knowing it."""
        body = json.dumps(messages).encode()
        async with self._asking:
            addresses = await _resolve(self._names)
            by_peer = await asyncio.gather(*(self._ask(address, body, len(messages)) for address in addresses))
        unknown = [UNKNOWN] * len(messages)
        return [max(outcomes, key=_worth) for outcomes in zip(unknown, *by_peer, strict=True)]

    async def close(self) -> None:
        """Closes the client."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _ask(self, address: str, body: bytes, count: int) -> list[LabelOutcome]:
        headers = {telemetry.FORWARDED_HEADER: "1", "content-type": "application/json"}
        if self._client is None:
            self._client = _client()
        try:
            response = await self._client.post(f"http://{address}/feedback", content=body, headers=headers)
            outcomes = [LabelOutcome(answer["matched"], answer.get("problem", "")) for answer in response.json()]
            if len(outcomes) != count:
                raise ValueError(f"{len(outcomes)} answers to {count} messages")
        except Exception as error:  # noqa: BLE001 -- anyio raises AttributeError when a peer closes at once
            log_event("peer_did_not_answer", peer=address, error=type(error).__name__)
            return [UNKNOWN] * count
        return outcomes


def _worth(outcome: LabelOutcome) -> tuple[bool, bool]:
    """The rank of an outcome: a match is above a refusal, and a refusal above an unknown request."""
    return outcome.matched, outcome.known


def _client() -> httpx.AsyncClient:
    """A client for all messages; creating a client blocks the event loop longer than a thousand predictions."""
    return httpx.AsyncClient(
        timeout=_TIMEOUT_SECONDS,
        trust_env=False,
        # Peers speak plain http, so there is no certificate to verify; loading the authorities takes 20 ms or more.
        verify=False,  # noqa: S501
        # A peer that closes an idle connection would sometimes lose a label; opening a new connection is cheap.
        limits=httpx.Limits(max_keepalive_connections=0),
    )


async def _resolve(names: Sequence[str]) -> set[str]:
    """Every address of the names, as host:port."""
    loop = asyncio.get_running_loop()
    addresses: set[str] = set()
    for name in names:
        host, _, port = name.rpartition(":")
        try:
            found = await loop.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
        except OSError as error:
            log_event("peer_has_no_address", peer=name, error=str(error))
            continue
        hosts = {str(address[0]) for *_, address in found}
        addresses |= {f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host in hosts}
    return addresses
