"""The judge over HTTP: Flagger's webhooks, and the whole verdict for people and for the twin.

Flagger (docs.flagger.app/usage/webhooks) posts `{name, namespace, phase, metadata}` and reads the
status: 2xx is yes. A no is 403 and carries the reason, which Flagger writes into its events.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from components.contract import Rollout
from services.judge.metrics import page
from services.judge.series import evidence_at
from services.judge.sources import Source
from services.judge.verdict import Verdict, judge

_NO = 403
#: A side counts as missing when it could not be read for this many scrapes.
_MISSED_SCRAPES = 5


class Judge:
    """Answers for each service from its rollout's settings and its source's samples."""

    def __init__(
        self, rollouts: dict[str, Rollout], source: Source, clock: Callable[[], float], interval_seconds: float
    ) -> None:
        """`interval_seconds` lies between two scrapes; `clock` gives Unix seconds."""
        self.rollouts, self._source, self._clock = rollouts, source, clock
        self.interval_seconds = interval_seconds
        self.answers: Counter[tuple[str, str, str]] = Counter()

    def verdict(self, service: str, toward: float | None = None) -> Verdict:
        """The verdict now, on `toward` percent or the next weight."""
        stale = max(_MISSED_SCRAPES * self.interval_seconds, 5.0)
        evidence = evidence_at(self._source.series(service), self._clock(), stale)
        return judge(evidence, self.rollouts[service], toward)

    async def watch(self) -> None:
        """Reads what is new, for ever."""
        while True:
            await self._source.refresh()
            await asyncio.sleep(self.interval_seconds)


def log(event: str, **fields: Any) -> None:
    """One JSON line on stdout."""
    sys.stdout.write(json.dumps({"event": event, **fields}, allow_nan=False) + "\n")
    sys.stdout.flush()


def build_app(judge: Judge) -> Starlette:
    """The ASGI application; it watches its source as long as it lives."""
    routes = [
        Route("/confirm-traffic-increase", _confirm_traffic_increase, methods=["POST"]),
        Route("/confirm-promotion", _confirm_promotion, methods=["POST"]),
        Route("/rollback", _rollback, methods=["POST"]),
        Route("/event", _event, methods=["POST"]),
        Route("/verdict", _verdict),
        Route("/healthz", _healthz),
        Route("/metrics", _metrics),
    ]
    app = Starlette(routes=routes, lifespan=_lifespan)
    app.state.judge = judge
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.watcher = asyncio.create_task(app.state.judge.watch())
    yield
    app.state.watcher.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await app.state.watcher


async def _confirm_traffic_increase(request: Request) -> Response:
    """200 if the canary may get its next weight; the first one is given when both sides can be read."""
    return await _answer(
        request, "confirm-traffic-increase", lambda verdict: verdict.verdict == "pass" or verdict.may_start
    )


async def _confirm_promotion(request: Request) -> Response:
    """200 if the canary may get all traffic."""
    return await _answer(request, "confirm-promotion", lambda verdict: verdict.verdict == "pass", toward=100.0)


async def _rollback(request: Request) -> Response:
    """200 if the canary must go now."""
    return await _answer(request, "rollback", lambda verdict: verdict.verdict == "fail")


async def _answer(
    request: Request, question: str, is_yes: Callable[[Verdict], bool], toward: float | None = None
) -> Response:
    judge: Judge = request.app.state.judge
    payload = await _payload(request)
    if payload is None:
        return PlainTextResponse("a question is a JSON object with name, namespace and phase", status_code=400)
    service = payload.get("name")
    if service not in judge.rollouts:
        return _unknown(judge, service)
    verdict = judge.verdict(service, toward)
    yes = is_yes(verdict)
    judge.answers[service, question, "yes" if yes else "no"] += 1
    log("decision", service=service, question=question, yes=yes, phase=payload.get("phase"), **verdict.to_dict())
    return PlainTextResponse(verdict.reason, status_code=200 if yes else _NO)


async def _event(request: Request) -> Response:
    """What Flagger did. In a cluster the commit of a failed rollout is reverted from here."""
    payload = await _payload(request)
    if payload is None:
        return PlainTextResponse("an event is a JSON object with name, namespace, phase and metadata", status_code=400)
    log("flagger", payload=payload)
    return Response(status_code=202)


async def _verdict(request: Request) -> Response:
    """The whole verdict as JSON, on the next weight or on `toward`."""
    judge: Judge = request.app.state.judge
    service = request.query_params.get("service") or (next(iter(judge.rollouts)) if len(judge.rollouts) == 1 else None)
    if service not in judge.rollouts:
        return _unknown(judge, service)
    try:
        toward = float(request.query_params["toward"]) if "toward" in request.query_params else None
    except ValueError:
        toward = -1.0
    if toward is not None and not 0 < toward <= 100:
        return PlainTextResponse("toward is a weight in percent, above 0 and at most 100", status_code=400)
    return JSONResponse({"service": service, **judge.verdict(service, toward).to_dict()})


async def _healthz(request: Request) -> Response:
    """503 once nothing is read any more."""
    if request.app.state.watcher.done():
        return PlainTextResponse("the source is not watched any more; see the log", status_code=503)
    return PlainTextResponse("ok")


async def _metrics(request: Request) -> Response:
    judge: Judge = request.app.state.judge
    verdicts = {service: judge.verdict(service) for service in judge.rollouts}
    return PlainTextResponse(page(verdicts, judge.answers))


async def _payload(request: Request) -> dict[str, Any] | None:
    try:
        payload = await request.json()
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


def _unknown(judge: Judge, service: object) -> Response:
    known = ", ".join(judge.rollouts)
    return PlainTextResponse(f"no service {service!r} is judged here; judged are: {known}", status_code=404)
