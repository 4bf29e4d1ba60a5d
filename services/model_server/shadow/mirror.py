"""Sends answered requests to the candidate as well, and compares the two answers.

Callers never wait for this. An answered request goes into a queue; queued requests are sent a moment later in one
write (system calls are most of a copy's cost), and only while copying takes less than a small share of the server's
time. If the queue is full, requests are dropped and counted, so a busy server copies only what it can afford.
Nothing that the candidate does reaches a caller.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from components.package.bins import bin_of
from services.model_server.decoding import Row
from services.model_server.events import log_event
from services.model_server.feedback.recent import request_key
from services.model_server.shadow.connection import Connection, request_head
from services.model_server.shadow.counts import ShadowCounts
from services.model_server.shadow.cpu_budget import CpuBudget, unstalled_clock
from services.model_server.shadow.labels import LabelledPairs, compared_step

#: Share of the event loop's time that sending and comparing may take, in processor seconds, so that no caller is
#: slowed by 5 %. The measured time is about a third of the whole cost; the loop and the kernel take the rest.
_SHARE: Final = 0.005
#: Seconds of that share that may be saved up.
_SAVED_SECONDS: Final = 0.002
_CONNECTIONS: Final = 4
#: Seconds during which requests are gathered, and how many go out in one write.
_GATHER_SECONDS: Final = 0.02
_TOGETHER: Final = 32
_TIMEOUT_SECONDS: Final = 2.0
#: Seconds between a refused connection and the next attempt.
_PAUSE_SECONDS: Final = 1.0
#: A version answers a copy with this status while it answers callers, and is left alone for so many seconds.
DECLINED: Final = 409
_DECLINED_SECONDS: Final = 5.0
_ALL_KEYS: Final = 1 << 64


class _Answer(msgspec.Struct):
    """The answer to one row, from either version."""

    probability: float
    label: str
    version: str


_decode = msgspec.json.Decoder(_Answer | list[_Answer]).decode


class NoAnswerError(ValueError):
    """The candidate's body is not an answer to the request."""


class ComparedAnswers(NamedTuple):
    """For each compared row, whether the answers differ and both score bins; and the candidate's version."""

    different: list[bool]
    ours: list[int]
    theirs: list[int]
    candidate: str


def compare(ours: bytes, theirs: bytes, score_difference: float, step: int = 1) -> ComparedAnswers:
    """Compares every `step`th row of two answers.

    Answers differ if their labels do, or if their probabilities differ by more than `score_difference`.

    Raises:
        NoAnswerError: `theirs` is not an answer, or has another number of rows.
    """
    own = _decode(ours)
    try:
        other = _decode(theirs)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NoAnswerError("the candidate's body is no answer") from error
    if isinstance(own, _Answer) and isinstance(other, _Answer):
        return _compared([(own, other)], score_difference)
    if isinstance(own, _Answer) or isinstance(other, _Answer) or len(own) != len(other):
        raise NoAnswerError("the candidate answered another number of rows")
    return _compared(list(zip(own[::step], other[::step], strict=True)), score_difference)


def _compared(pairs: Sequence[tuple[_Answer, _Answer]], score_difference: float) -> ComparedAnswers:
    different = [_differ(own, other, score_difference) for own, other in pairs]
    ours, theirs = ([bin_of(min(answer.probability, 1.0)) for answer in side] for side in zip(*pairs, strict=True))
    return ComparedAnswers(different, ours, theirs, pairs[0][1].version)


def _differ(own: _Answer, other: _Answer, score_difference: float) -> bool:
    # Not `> score_difference`: NaN must differ as well.
    return own.label != other.label or not abs(own.probability - other.probability) <= score_difference


@dataclass(frozen=True, slots=True)
class _Copy:
    """A request that the caller already has an answer to."""

    request_id: str
    body: bytes
    answer: bytes
    rows: Sequence[Row]


@dataclass(slots=True)
class _UnderWay:
    """A connection's unanswered copies, in the order sent, and the time (monotonic) of its last activity."""

    copies: deque[_Copy]
    at: float


class Mirror:
    """Copies this worker's requests to a candidate, all on one event loop."""

    def __init__(
        self,
        url: str,
        ratio: float,
        score_difference: float,
        max_queue_bytes: int,
        counts: ShadowCounts,
        labels: LabelledPairs,
    ) -> None:
        """Must be called on the thread of the event loop.

        `url` is the candidate's predict route; `ratio` is the share of request ids to copy, the same ids everywhere.
        """
        parts = urlsplit(url)
        self._url, self._host, self._port = url, parts.hostname or "", parts.port or 80
        self._head = request_head(parts.netloc, parts.path)
        self._keys, self._score_difference = int(ratio * _ALL_KEYS), score_difference
        self._max_queue_bytes, self._counts, self._labels = max_queue_bytes, counts, labels
        self._allowance = CpuBudget(_SHARE, _SAVED_SECONDS, unstalled_clock())
        self._queue: deque[_Copy] = deque()
        self._queued_bytes = 0
        self._idle: list[Connection] = []
        self._busy: dict[Connection, _UnderWay] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = self._unreachable = self._declined = self._told = False

    def start(self) -> None:
        """Starts on the running loop; earlier requests are not copied."""
        self._loop = asyncio.get_running_loop()
        self._loop.call_later(_TIMEOUT_SECONDS / 4, self._end_late_ones)

    def stop(self) -> None:
        """Drops the queue and closes every connection."""
        self._loop = None
        self._queue.clear()
        for connection in (*self._idle, *self._busy):
            connection.close()
        for opening in self._opening:
            opening.cancel()

    def offer(self, request_id: str, body: bytes, answer: bytes, rows: Sequence[Row]) -> None:
        """Queues a request that is about to be answered, if it belongs to the share and the queue has room."""
        if self._loop is None or self._declined or (self._keys < _ALL_KEYS and request_key(request_id) >= self._keys):
            return
        if self._unreachable:
            self._counts.failed("unreachable")
        elif self._queued_bytes + len(body) > self._max_queue_bytes:
            self._counts.dropped()
        else:
            self._queued_bytes += len(body)
            self._queue.append(_Copy(request_id, body, answer, rows))
            self._wake()

    def _wake(self) -> None:
        if not self._woken and self._loop is not None:
            self._woken = True
            self._loop.call_later(_GATHER_SECONDS, self._send_all)

    def _send_all(self) -> None:
        """Sends queued requests while there are connections and time for them."""
        self._woken = False
        if self._loop is None:
            return
        if wait := self._allowance.wait_seconds():
            self._woken = True
            self._loop.call_later(wait, self._send_all)
            return
        started, now = time.thread_time(), time.monotonic()
        while self._queue and self._idle:
            self._send(self._idle.pop(), now)
        if self._queue and len(self._busy) + len(self._opening) < _CONNECTIONS:
            self._open(self._loop)
        self._allowance.spend(time.thread_time() - started)

    def _send(self, connection: Connection, now: float) -> None:
        copies = deque(self._queue.popleft() for _ in range(min(_TOGETHER, len(self._queue))))
        self._queued_bytes -= sum(len(copy.body) for copy in copies)
        self._busy[connection] = _UnderWay(copies, now)
        connection.send(b"".join(part for copy in copies for part in self._request(copy)))

    def _request(self, copy: _Copy) -> tuple[bytes, bytes]:
        length = len(copy.body)
        return b"%s%s\r\ncontent-length: %d\r\n\r\n" % (self._head, copy.request_id.encode(), length), copy.body

    # --- answers ------------------------------------------------------------------------

    def _answered(self, connection: Connection, answers: list[tuple[int, bytes]]) -> None:
        started = time.thread_time()
        under_way = self._busy.get(connection)
        if under_way is None or len(answers) > len(under_way.copies):
            # There are more answers than requests, so none can be matched.
            connection.close()
            return
        under_way.at = time.monotonic()
        for status, body in answers:
            self._count(under_way.copies.popleft(), status, body)
        if not under_way.copies and connection.usable:
            del self._busy[connection]
            self._idle.append(connection)
        self._allowance.spend(time.thread_time() - started)
        if self._queue:
            self._wake()

    def _count(self, copy: _Copy, status: int, body: bytes) -> None:
        if status == DECLINED:
            self._decline()
            return
        if status != 200:
            self._counts.failed("status")
            return
        step = compared_step(len(copy.rows))
        try:
            found = compare(copy.answer, body, self._score_difference, step)
        except NoAnswerError:
            self._counts.failed("answer")
            return
        self._counts.compared(copy.rows[::step], found.different, found.candidate)
        self._counts.scored(found.ours, found.theirs)
        self._labels.compared(copy.request_id, len(copy.rows), found.ours, found.theirs, found.candidate)

    def _decline(self) -> None:
        """Leaves a version alone that answers callers now; nothing counts as lost."""
        if self._declined or self._loop is None:
            return
        self._declined = True
        self._queue.clear()
        self._queued_bytes = 0
        self._loop.call_later(_DECLINED_SECONDS, self._accept)

    def _accept(self) -> None:
        self._declined = False

    # --- connections ----------------------------------------------------------------------

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        opening = loop.create_task(self._connect(loop))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._answered, self._lost), self._host, self._port
                )
        except OSError as error:
            self._pause(loop, error)
            return
        if self._loop is None:
            connection.close()
            return
        self._told = False
        self._idle.append(connection)
        self._send_all()

    def _pause(self, loop: asyncio.AbstractEventLoop, error: OSError) -> None:
        """Gives the candidate up for a moment and drops the queue."""
        if not self._told:
            self._told = True
            log_event("shadow_unreachable", url=self._url, error=str(error) or type(error).__name__)
        self._unreachable = True
        self._counts.failed("unreachable", len(self._queue))
        self._queue.clear()
        self._queued_bytes = 0
        loop.call_later(_PAUSE_SECONDS, self._try_again)

    def _try_again(self) -> None:
        self._unreachable = False

    def _lost(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        if under_way := self._busy.pop(connection, None):
            self._counts.failed("unreachable", len(under_way.copies))
            self._wake()

    def _end_late_ones(self) -> None:
        """Closes connections that have waited too long for an answer."""
        if self._loop is None:
            return
        late = time.monotonic() - _TIMEOUT_SECONDS
        for connection in [busy for busy, under_way in self._busy.items() if under_way.at < late]:
            self._counts.failed("timeout", len(self._busy.pop(connection).copies))
            connection.close()
        if self._queue:
            self._wake()  # a full queue takes nothing more, so nobody else would
        self._loop.call_later(_TIMEOUT_SECONDS / 4, self._end_late_ones)
