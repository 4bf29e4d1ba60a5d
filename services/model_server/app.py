"""The ASGI application: routes, headers, and one predict request from its body to its answer.

It is plain ASGI and the outermost application, because a framework with its
middlewares costs several times a 20 µs model (and BentoML's time-out starts a
timer for each request that is never cancelled).
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final

from components.package.model_package import Package
from services import telemetry
from services.model_server import documents
from services.model_server.arrival_clock import ArrivalClock
from services.model_server.counters import Counters, Exposition
from services.model_server.decoding import RowDecoder
from services.model_server.errors import Refused
from services.model_server.events import log_event, log_failure
from services.model_server.faults import FakedError, Faults, LostRequest
from services.model_server.feedback.handler import FeedbackHandler
from services.model_server.feedback.recent import RecentAnswers
from services.model_server.inputs import LiveInputs
from services.model_server.model import GoldenMismatch, Model
from services.model_server.packed_body import unpacked
from services.model_server.prediction_log import LineLog
from services.model_server.shadow.mirror import DECLINED, Mirror
from services.model_server.wording import Scores

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
#: A route's answer: status, body, content type.
Answer = tuple[int, bytes, bytes]

_JSON: Final = b"application/json"
_REQUEST_ID: Final = telemetry.REQUEST_ID_HEADER.encode()
_FORWARDED: Final = telemetry.FORWARDED_HEADER.encode()
_SHADOW: Final = telemetry.SHADOW_HEADER.encode()
#: A caller's request id is kept if it can be used unescaped in a header, a log line and a URL.
_KEEPABLE: Final = re.compile(rb"[\w.:/+=@~-]{1,128}").fullmatch
#: Bytes of a generated request id, and how many ids are generated together.
_ID_BYTES: Final = 16
_IDS_AT_A_TIME: Final = 256
#: Seconds within which a body must arrive.
_BODY_TIMEOUT: Final = 10.0
#: A body that is too large is read and discarded up to this many times the limit, so that its sender reads the answer.
_DISCARD_FACTOR: Final = 16
#: A batch that takes longer runs in a thread, so that small requests need not wait; the hand-over costs less than that.
_OFFLOAD_SECONDS: Final = 0.003
#: A version that has answered a caller within this time takes no copies.
_CALLED_SECONDS: Final = 60.0


class Disconnected(Exception):  # noqa: N818 -- nothing went wrong here
    """The caller disconnected before its body was read."""


class ModelApp:
    """Serves one model over HTTP; its parts are passed in ready for use."""

    def __init__(
        self,
        *,
        package: Package,
        service: str,
        version: str,
        model: Model,
        decoder: RowDecoder,
        counters: Counters,
        inputs: LiveInputs,
        exposition: Exposition,
        recent: RecentAnswers,
        feedback: FeedbackHandler,
        log: LineLog | None,
        faults: Faults | None,
        mirror: Mirror | None,
        shadow_candidate: bool,
        shadow_first: bool,
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._model, self._decoder, self._counters, self._inputs = model, decoder, counters, inputs
        self._exposition, self._recent, self._feedback = exposition, recent, feedback
        self._log, self._faults, self._mirror = log, faults, mirror
        # Of two words the bins are all that a label's loss needs.
        self._keeps_scores = package.contract.task != "binary"
        self._max_body_bytes = package.contract.limits.max_body_bytes
        self._shadow_candidate, self._shadow_first = shadow_candidate, shadow_first
        self._called_at = -math.inf
        self._golden_mismatches: list[GoldenMismatch] | None = None
        self._offload_rows = sys.maxsize
        #: True when the server is about to stop: it is not ready any more, and every answer closes its connection.
        self.draining = False
        self._identity = [
            (telemetry.RECEIPT_HEADER.encode(), package.digest.encode()),
            (telemetry.VERSION_HEADER.encode(), version.encode()),
        ]
        self._log_middle = f'","version":{json.dumps(version)},"package":"{package.digest}","inputs":'.encode()
        self._shadow_middle = self._log_middle.replace(b'"inputs":', b'"shadow":true,"inputs":')
        self._ids = _unguessable_ids()
        self._clock, self._wall, self._arrival_clock = clock, wall, ArrivalClock(clock)
        self._static = _static_answers(package, service, version)
        self._gets: dict[str, Callable[[], Answer]] = {
            "/healthz": lambda: (200, b'{"alive":true}', _JSON),
            "/readyz": self._readyz,
            "/metrics": lambda: (200, exposition.text(), b"text/plain; version=1.0.0; charset=utf-8"),
        }

    def self_test(self) -> None:
        """Replays the golden requests; the server is not ready until all are answered correctly."""
        try:
            self._golden_mismatches = self._model.golden_mismatches()
            self._offload_rows = int(_OFFLOAD_SECONDS / self._model.seconds_a_row()) + 1
        except Exception as error:  # noqa: BLE001 -- whatever it is, the server must live on to say that it is not ready
            log_failure("golden_requests_failed", error)
            return
        if self._golden_mismatches:
            first = self._golden_mismatches[0]
            log_event("golden_requests_wrong", wrong=len(self._golden_mismatches), first_line=first.line)

    @property
    def ready(self) -> bool:
        """True if the golden requests were answered correctly and the server is not about to stop."""
        return self._golden_mismatches == [] and not self.draining

    def _readyz(self) -> Answer:
        if self.ready:
            return 200, b'{"ready":true}', _JSON
        if self.draining:
            return 503, b'{"ready":false,"reason":"the server is about to stop"}', _JSON
        if self._golden_mismatches is None:
            return 503, b'{"ready":false,"reason":"the golden requests were not answered yet"}', _JSON
        first = self._golden_mismatches[0]
        reason = f"golden request {first.line} is answered {first.answered:.7g}, expected {first.expected:.7g}"
        return 503, json.dumps({"ready": False, "reason": reason}).encode(), _JSON

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one HTTP request."""
        path: str = scope["path"]
        arrived = self._arrival_clock.arrived_at()
        request_id, shadow, forwarded = self._identify(scope)
        allow = ""
        routed = not (shadow or forwarded or path in self._gets or path == telemetry.SHADOW_PATH)
        try:
            if routed and self._faults is not None:
                self._faults.lose()
            answer = await self._answer(scope, receive, request_id, arrived, shadow=shadow)
        except Refused as refused:
            self._counters.refused(refused.reason)
            document = {**refused.document(), "request_id": request_id.decode()}
            answer = refused.status, _encode(document), _JSON
            allow = refused.allow
        except (Disconnected, LostRequest):
            return
        except Exception as error:  # noqa: BLE001 -- an escaping exception would leave the caller without an answer
            log_failure("request_failed", error, request_id=request_id.decode(), path=path)
            answer = 500, _failed(request_id), _JSON
        if routed:
            now = self._wall()
            self._counters.arrived(now - (self._clock() - arrived), now)
        await self._send(send, request_id, answer, allow)

    async def _answer(
        self, scope: Scope, receive: Receive, request_id: bytes, arrived: float, *, shadow: bool
    ) -> Answer:
        path: str = scope["path"]
        if path in ("/predict", "/predict/") and scope["method"] == "POST":
            return await self._predict(scope, receive, request_id, arrived, shadow=shadow)
        if path == telemetry.SHADOW_PATH and scope["method"] == "POST" and self._shadow_first:
            return await self._copy(scope, receive, request_id, arrived)
        return await self._other(scope, receive, path[:-1] if path in _WITH_SLASH else path)

    def _identify(self, scope: Scope) -> tuple[bytes, bool, bool]:
        """The caller's request id, or a generated one; whether the request is a copy for the shadow, or a peer's.

        Only a candidate accepts copies: elsewhere the header would let any caller avoid being counted.
        """
        request_id, shadow, forwarded = b"", False, False
        for name, value in scope["headers"]:
            if name == _REQUEST_ID and _KEEPABLE(value):
                request_id = value
            elif name == _SHADOW:
                shadow = self._shadow_candidate
            elif name == _FORWARDED:
                forwarded = True
            elif name == b"content-encoding":
                scope["content-encoding"] = value
        if not request_id:
            request_id = next(self._ids)
        return request_id, shadow, forwarded

    async def _copy(self, scope: Scope, receive: Receive, request_id: bytes, arrived: float) -> Answer:
        """Answers a copy, unless callers are answered now: a copy's work would slow them, and their evidence counts."""
        if self._clock() - self._called_at < _CALLED_SECONDS:
            return DECLINED, b'{"error":"callers are answered here; this version takes no copies"}', _JSON
        return await self._predict(scope, receive, request_id, arrived, shadow=True)

    async def _predict(
        self, scope: Scope, receive: Receive, request_id: bytes, arrived: float, *, shadow: bool
    ) -> Answer:
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body") or message["type"] == "http.disconnect" or len(body) > self._max_body_bytes:
            body = await self._long_body(message, receive)
            arrived = self._clock()  # the caller's time to send does not count as latency
        body = self._plain(scope, body)
        rows, single = self._decoder.decode(body)
        try:
            scores = await self._scores(rows)
        except Exception as error:  # noqa: BLE001 -- every error becomes a counted 5xx
            if not isinstance(error, FakedError):
                log_failure("prediction_failed", error, request_id=request_id.decode())
            if not shadow:
                self._counters.request(self._clock() - arrived, error=True)
            return 500, _failed(request_id), _JSON
        answer = self._model.answer(scores, single=single).encode()
        identifier = request_id.decode()
        if self._log is not None:
            middle = self._shadow_middle if shadow else self._log_middle
            self._log.put(self._line(identifier, middle, body, answer), len(rows))
        self._inputs.count(rows)
        if shadow:
            # Another version answered the caller, so this answer is not evidence of how callers are served.
            self._counters.shadow_answered()
            return 200, answer, _JSON
        self._called_at = self._clock()
        bins = self._model.bins(scores)
        self._recent.remember(identifier, scores if self._keeps_scores else bins)
        self._counters.scores(bins)
        self._counters.request(self._clock() - arrived, error=False)
        if self._mirror is not None:
            self._mirror.offer(identifier, body, answer, rows)
        return 200, answer, _JSON

    def _plain(self, scope: Scope, body: bytes) -> bytes:
        """The body without the packing that its headers tell of."""
        encoding = scope.get("content-encoding")
        return unpacked(body, encoding, self._max_body_bytes) if encoding else body

    async def _scores(self, rows: list[Any]) -> Scores:
        if not self.ready and not self.draining:
            raise FakedError("not ready")
        faults = self._faults
        if faults is not None:
            faults.fail()
            delay = faults.delay_seconds()
            if delay:
                await asyncio.sleep(delay)
        encoded = self._model.encode(rows)
        if len(rows) < self._offload_rows:
            scores = self._model.scores(encoded)
        else:
            scores = await asyncio.to_thread(self._model.scores, encoded)
        return scores if faults is None else faults.in_slice(rows, faults.swapped(faults.stale(scores)))

    def _line(self, request_id: str, middle: bytes, body: bytes, answer: bytes) -> bytes:
        """A line of the prediction log: the inputs as received, the answers as sent."""
        if b"\n" in body or b"\r" in body:
            # They stand only between tokens: inside a JSON string they would be escaped.
            body = body.replace(b"\n", b" ").replace(b"\r", b" ")
        start = f'{{"time":{time.time():.6f},"request_id":"{request_id}'.encode()
        return b"".join((start, middle, body, b',"answers":', answer, b"}\n"))

    async def _long_body(self, message: MutableMapping[str, Any], receive: Receive) -> bytes:
        """Reads a body that did not arrive in one message."""
        chunks, size = [], 0
        try:
            async with asyncio.timeout(_BODY_TIMEOUT):
                while True:
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    if size <= self._max_body_bytes:
                        chunks.append(chunk)
                    if not message.get("more_body") or size > _DISCARD_FACTOR * self._max_body_bytes:
                        break
                    message = await receive()
        except TimeoutError as error:
            raise Refused(408, "body_too_large", f"the body did not arrive within {_BODY_TIMEOUT:g} s") from error
        if size > self._max_body_bytes:
            raise Refused(413, "body_too_large", f"the body has more than the {self._max_body_bytes} bytes allowed")
        return b"".join(chunks)

    async def _other(self, scope: Scope, receive: Receive, path: str) -> Answer:
        method = scope["method"]
        if path == "/feedback" and method == "POST":
            body = self._plain(scope, await self._long_body(await receive(), receive))
            forwarded = any(name == _FORWARDED for name, _ in scope["headers"])
            status, document = await self._feedback.receive(body, forwarded=forwarded)
            return status, _encode(document), _JSON
        allowed = self._allowed_methods(path)
        if allowed and method not in allowed.split(", "):
            raise Refused(405, "route", _NO_CORS if method == "OPTIONS" else _ROUTES, allow=allowed)
        if path in self._gets:
            return self._gets[path]()
        if path in self._static:
            return self._static[path]
        name = path.removeprefix("/docs/")
        if name in documents.SWAGGER_FILES:
            return 200, await asyncio.to_thread(documents.swagger_file, name), documents.SWAGGER_FILES[name].encode()
        raise Refused(404, "route", _ROUTES)

    def _allowed_methods(self, path: str) -> str:
        """The methods of a route, as the header Allow has them; "" for no route."""
        if path in ("/predict", "/feedback"):
            return "POST"
        return "GET, HEAD" if path in self._gets or path in self._static or path.startswith("/docs") else ""

    async def _send(self, send: Send, request_id: bytes, answer: Answer, allow: str) -> None:
        status, body, content_type = answer
        headers = [
            (b"content-type", content_type),
            (b"content-length", b"%d" % len(body)),
            (_REQUEST_ID, request_id),
            *self._identity,
        ]
        if allow:
            headers.append((b"allow", allow.encode()))
        # 408 and 413 may leave a part of the body unread.
        if self.draining or status in (408, 413):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _unguessable_ids() -> Iterator[bytes]:
    """Generates request ids. An id is enough to label its answer, so no id may be guessable from another.

    Randomness is read for many ids at a time, because a system call for each would be most of an id's cost.
    """
    while True:
        block = os.urandom(_ID_BYTES * _IDS_AT_A_TIME).hex().encode()
        for start in range(0, len(block), 2 * _ID_BYTES):
            yield block[start : start + 2 * _ID_BYTES]


#: Routes that are meant although a slash follows.
_WITH_SLASH: Final = frozenset({"/predict/", "/feedback/", "/schema/"})
_ROUTES: Final = (
    "there are POST /predict, POST /feedback, and GET /schema, /healthz, /readyz, /metrics, /openapi.json, /docs"
)


_NO_CORS: Final = (
    "this server answers no questions of browsers about other origins (CORS); let the gateway do that, or call it from "
    "a server"
)


def _static_answers(package: Package, service: str, version: str) -> dict[str, Answer]:
    return {
        "/schema": (200, _encode(documents.schema(package, service, version)), _JSON),
        "/openapi.json": (200, _encode(documents.openapi(package, service, version)), _JSON),
        "/": (200, documents.docs_page(service).encode(), b"text/html; charset=utf-8"),
        "/docs": (200, documents.docs_page(service).encode(), b"text/html; charset=utf-8"),
    }


def _failed(request_id: bytes) -> bytes:
    message = "the server failed; its log has the request id"
    return _encode({"error": message, "request_id": request_id.decode()})


def _encode(document: Any) -> bytes:
    """A document as JSON; a caller's lone surrogate, which UTF-8 cannot encode, is escaped."""
    try:
        return json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(document).encode()
