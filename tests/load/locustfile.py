"""Callers of a service: rows of its table at a steady rate, and the true labels some seconds later.

    python -m locust -f tests/load/locustfile.py --headless --only-summary --host http://127.0.0.1:8000 \\
        --users 16 --spawn-rate 100 --spec services/churn/service.yaml --out build/load --rate 300

Every option of ours can be set by a variable as well: `--rate` by CANARIO_LOAD_RATE. Nothing that
goes wrong stops the load; SIGTERM does, after the answers that are under way. See `tally.py` for the files.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
from gevent import ssl
from locust import FastHttpUser, constant_pacing, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from components.package.answers import outputs_in
from components.spec.reading.loading import load_spec
from services import telemetry
from tests.load.callers import Request, load_rows, requests_from
from tests.load.tally import Tally

_FEEDBACK_EVERY_SECONDS = 0.25
_FEEDBACK_MESSAGES = 200
_ANSWERS_UNDER_WAY_SECONDS = 10.0
_CAUGHT_UP_SECONDS = 1.0
_LONGEST_FAULT = 200


class _Load:
    """What all callers share."""

    requests: Iterator[Request]
    tally: Tally
    writer: gevent.Greenlet
    chance: random.Random
    feedback_share: float
    feedback_seconds: float
    #: (when, request id, labels): feedback that is still to come, soonest first.
    due: list[tuple[float, str, tuple[str | float, ...]]]
    ids: Iterator[str]
    #: What every request has.
    headers: dict[str, str]


load = _Load()


def _options(parser: LocustArgumentParser) -> None:
    def add(name: str, kind: Any, default: object, text: str) -> None:
        variable = f"CANARIO_LOAD_{name.upper().replace('-', '_')}"
        parser.add_argument(f"--{name}", type=kind, default=default, env_var=variable, help=text)

    add("spec", Path, Path("services/churn/service.yaml"), "the service's spec")
    add("table", Path, None, "rows to send; by default the spec's own table")
    add("out", Path, Path("build/load"), "folder for the counts")
    add("host-header", str, None, "name of the service, where the address is a gateway's")
    add("ca", Path, None, "PEM file with the authority of the address's certificate; by default the usual ones")
    add("rate", float, 300.0, "requests a second, of all callers together")
    add("warm-up-seconds", float, 0.0, "how long latencies are left out of the totals")
    add("batch-share", float, 0.05, "share of requests with 2 to 20 rows")
    add("wrong-share", float, 0.02, "share of requests that must be refused")
    add("feedback-share", float, 0.5, "share of good requests whose true label comes back")
    add("feedback-seconds", float, 2.0, "how much later it comes back")
    add("seed", int, 7, "the same seed sends the same rows")


def _prepare(environment: Environment, **_: object) -> None:
    options: Any = environment.parsed_options
    rows = load_rows(load_spec(options.spec), options.table)
    load.requests = requests_from(rows, options.seed, options.batch_share, options.wrong_share)
    load.chance = random.Random(options.seed + 1)
    load.feedback_share, load.feedback_seconds, load.due = options.feedback_share, options.feedback_seconds, []
    load.headers = {"host": options.host_header} if options.host_header else {}
    Caller.ssl_context_factory = Teacher.ssl_context_factory = functools.partial(_trust, options.ca)
    start = os.urandom(4).hex()
    load.ids = (f"{start}-{number}" for number in itertools.count())
    Caller.period_seconds = max(1, options.num_users - Teacher.fixed_count) / options.rate
    environment.stop_timeout = environment.stop_timeout or _ANSWERS_UNDER_WAY_SECONDS
    # Reading the table blocked the event loop, whose clock stood still: `--run-time` would end too early.
    gevent.get_hub().loop.update_now()


def _trust(authority: Path | None, cafile: str | None = None) -> ssl.SSLContext:
    """Checks certificates, which Locust by itself does not; `cafile` is what its client would trust."""
    return ssl.create_default_context(cafile=str(authority) if authority else cafile)


def _begin(environment: Environment, **_: object) -> None:
    options: Any = environment.parsed_options
    answers = "value" if load_spec(options.spec).data.task == "regression" else "probability"
    load.tally = Tally(options.out, options.warm_up_seconds, answers)
    load.writer = gevent.spawn(_write_every_second)


def _end(**_: object) -> None:
    load.writer.kill()
    load.tally.write(final=True)


def _write_every_second() -> None:
    at = time.monotonic()
    while True:
        at += 1.0
        gevent.sleep(max(0.0, at - time.monotonic()))
        load.tally.write()


class Caller(FastHttpUser):
    """Asks for predictions."""

    weight = 1
    insecure = False
    connection_timeout = 10.0
    network_timeout = 10.0
    period_seconds = 1.0
    _next_at = 0.0

    def on_start(self) -> None:
        self._next_at = time.monotonic()
        gevent.sleep(self.wait_time())

    def wait_time(self) -> float:
        """Seconds to the next request: the rate is kept, and what a pause held up is caught up with.

        Callers that all waited for the same time would be in step after the first pause, and
        from then on each would stand behind all the others.
        """
        now = time.monotonic()
        wait = load.chance.uniform(0.5, 1.5) * self.period_seconds
        self._next_at = max(self._next_at, now - _CAUGHT_UP_SECONDS) + wait
        return max(0.0, self._next_at - now)

    @task
    def predict(self) -> None:
        request = next(load.requests)
        identifier = next(load.ids)
        headers = {**load.headers, "content-type": "application/json", telemetry.REQUEST_ID_HEADER: identifier}
        began = time.perf_counter()
        body: Any = request.body  # bytes are sent as they are; the annotation there knows only text
        with self.client.post("/predict", data=body, headers=headers, catch_response=True) as answer:
            milliseconds = (time.perf_counter() - began) * 1000
            answers, fault = _read(request, answer.status_code, answer.content)
            answer.failure(fault) if fault else answer.success()
        version = (answer.headers or {}).get(telemetry.VERSION_HEADER)
        load.tally.count(version, request.kind, milliseconds, fault, answers)
        if answers and load.chance.random() < load.feedback_share:
            heapq.heappush(load.due, (time.monotonic() + load.feedback_seconds, identifier, request.labels))


class Teacher(FastHttpUser):
    """Sends the true labels that are due, many at once."""

    fixed_count = 1
    insecure = False
    wait_time = constant_pacing(_FEEDBACK_EVERY_SECONDS)
    network_timeout = 10.0

    @task
    def teach(self) -> None:
        messages: list[dict[str, Any]] = []
        while load.due and load.due[0][0] <= time.monotonic() and len(messages) < _FEEDBACK_MESSAGES:
            _, identifier, labels = heapq.heappop(load.due)
            field = "label" if isinstance(labels[0], str) else "value"
            messages.append({"request_id": identifier, field: labels[0] if len(labels) == 1 else list(labels)})
        if not messages:
            return
        began = time.perf_counter()
        headers = dict(load.headers)  # the client writes the body's length into what it is given
        with self.client.post("/feedback", json=messages, headers=headers, catch_response=True) as answer:
            fault = "" if answer.status_code in (200, 202) else _fault(answer.status_code, answer.content)
            answer.failure(fault) if fault else answer.success()
        version = (answer.headers or {}).get(telemetry.VERSION_HEADER)
        load.tally.count(version, "feedback", (time.perf_counter() - began) * 1000, fault)


def _read(request: Request, status: int, content: bytes | None) -> tuple[tuple[float, ...], str]:
    """What was answered to each row, and what is wrong with the answer, empty for nothing.

    That is a probability, a number, or the largest probability of a class.
    """
    if request.kind == "wrong":
        return (), "" if 400 <= status < 500 else _fault(status, content)
    if status != 200:
        return (), _fault(status, content)
    try:
        document = json.loads(content or b"")
        rows = document if request.kind == "batch" else [document]
        outputs = [outputs_in(row) for row in rows]
        number = "value" in rows[0]
        shaped = number or (
            all(isinstance(row["label"], str) for row in rows) and all(0 <= p <= 1 for row in outputs for p in row)
        )
        answers = tuple(float(max(row)) for row in outputs)
    except (ValueError, TypeError, KeyError):
        return (), _fault(status, content)
    return (answers, "") if shaped and len(rows) == len(request.labels) else ((), _fault(status, content))


def _fault(status: int, content: bytes | None) -> str:
    """What came instead of a right answer; status 0 is no answer at all."""
    text = (content or b"").decode("utf-8", errors="replace")[:_LONGEST_FAULT]
    return f"{status} {text}" if status else "no answer"


events.init_command_line_parser.add_listener(_options)
events.init.add_listener(_prepare)
events.test_start.add_listener(_begin)
events.quit.add_listener(_end)  # not `quitting`, which comes before the last answers
