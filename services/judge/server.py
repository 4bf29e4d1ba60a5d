"""The judge over HTTP: Flagger's webhooks, and the whole verdict for people and for the twin.

Flagger (docs.flagger.app/usage/webhooks) posts `{name, namespace, phase, metadata}` and reads the
status: 2xx means yes. A no is 403 with the reason, which Flagger writes into its events.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from services.judge.actions.consequences import Consequences
from services.judge.judge import Judge, UnknownSubjectError
from services.judge.log import log
from services.judge.metrics import page
from services.judge.verdict import Verdict
from services.judge.webhook import Subject, WebhookPayload, WebhookPayloadError, read_payload

_NO = 403
#: Questions whose yes gives the canary more traffic.
_RAISING = ("confirm-traffic-increase", "confirm-promotion")


@dataclass(frozen=True)
class _Answer:
    """An answer to Flagger. `acts` is true if a rollout moves, or has to wait, because of the answer."""

    yes: bool
    verdict: Verdict
    acts: bool = True


def build_app(judge: Judge, consequences: Consequences | None = None) -> Starlette:
    """The ASGI application; it reads its source as long as it lives."""
    questions: dict[str, Callable[[Judge, Subject], _Answer]] = {
        "confirm-rollout": _may_begin,
        "pre-rollout": _is_readable,
        "rollout": _is_readable,
        "confirm-traffic-increase": _may_increase,
        "confirm-promotion": _may_promote,
        "rollback": _must_go,
    }
    routes = [Route(f"/{name}", _asked(name, answer), methods=["POST"]) for name, answer in questions.items()]
    routes += [Route("/event", _event, methods=["POST"]), Route("/verdict", _verdict)]
    app = Starlette(routes=[*routes, Route("/healthz", _healthz), Route("/metrics", _metrics)], lifespan=_lifespan)
    app.state.judge, app.state.consequences = judge, consequences or Consequences(judge)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    watchers = [asyncio.create_task(watcher.watch()) for watcher in (app.state.judge, app.state.consequences)]
    app.state.watcher = watchers[0]
    yield
    for watcher in watchers:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher
    await app.state.consequences.close()


# --- the questions ----------------------------------------------------------------------


def _may_begin(judge: Judge, subject: Subject) -> _Answer:
    """Always yes once the judge knows the rollout; without an answer Flagger does not start."""
    return _Answer(yes=True, verdict=judge.verdict(subject), acts=False)


def _is_readable(judge: Judge, subject: Subject) -> _Answer:
    """No while the evidence cannot be read or the first weight cannot be given.

    Flagger counts these refusals and rolls back when they reach its threshold; it does not count refused increases.
    """
    verdict, problems = judge.verdict(subject), judge.problems(subject)
    if problems:
        verdict = replace(verdict, reason=f"wait: {'; '.join(problems)}")
    yes = not problems and judge.is_readable(subject)
    return _Answer(yes, verdict, acts=not yes)


def _may_increase(judge: Judge, subject: Subject) -> _Answer:
    """Yes if the canary may get its next weight; the first weight needs only that both sides can be read.

    With shadow-then-canary the first weight needs a pass in the shadow. A yes is not a decision before a first weight
    for which nothing was seen yet, nor before promotion (asked next).
    """
    verdict = judge.verdict(subject)
    yes = verdict.verdict == "pass" or verdict.may_start
    return _Answer(yes, verdict, acts=not yes or (not verdict.may_start and verdict.next_weight < 100))


def _may_promote(judge: Judge, subject: Subject) -> _Answer:
    """Yes if the canary may get all traffic."""
    verdict = judge.verdict(subject, toward=100.0)
    return _Answer(verdict.verdict == "pass", verdict)


def _must_go(judge: Judge, subject: Subject) -> _Answer:
    """Yes if the canary must go now: it failed, or the deadline passed undecided."""
    verdict = judge.verdict(subject)
    return _Answer(verdict.must_go, verdict, acts=verdict.must_go)


def _asked(name: str, answer: Callable[[Judge, Subject], _Answer]) -> Callable[[Request], Any]:
    """The endpoint that answers a question."""

    async def endpoint(request: Request) -> Response:
        judge: Judge = request.app.state.judge
        try:
            question = read_payload(await request.body())
            subject = await judge.meet(question)
        except WebhookPayloadError as error:
            return PlainTextResponse(str(error), status_code=400)
        except UnknownSubjectError as error:
            return PlainTextResponse(str(error), status_code=404)
        reply = answer(judge, subject)
        if reply.yes and name in _RAISING:
            reply = await _about_its_weight(request, subject, reply)
        judge.answers[subject, name, "yes" if reply.yes else "no"] += 1
        _record(request, subject, question, name, reply)
        return PlainTextResponse(reply.verdict.reason, status_code=200 if reply.yes else _NO)

    return endpoint


async def _about_its_weight(request: Request, subject: Subject, reply: _Answer) -> _Answer:
    """The same yes, if it is about the weight that the canary has; otherwise no."""
    judge: Judge = request.app.state.judge
    weight = reply.verdict.weight
    doubt = judge.unread(subject, weight) or await request.app.state.consequences.unread_weight(subject, weight)
    if doubt:
        verdict = replace(reply.verdict, verdict="wait", reason=f"wait: {doubt}", may_start=False)
        return _Answer(yes=False, verdict=verdict)
    if reply.verdict.next_weight < 100:
        judge.raises(subject, weight)
    return reply


def _record(request: Request, subject: Subject, question: WebhookPayload, name: str, reply: _Answer) -> None:
    """Logs a reply; one that acts is logged as a decision, with the twin's fields (k8s/twin/events.py)."""
    judge: Judge = request.app.state.judge
    fields = {
        "at": round(judge.clock(), 3),
        "service": subject.service,
        "namespace": question.namespace,
        "version": question.metadata.version or judge.version(subject),
        "weight": int(reply.verdict.weight),
        "phase": question.phase,
        "question": name,
        "yes": reply.yes,
    }
    if not reply.acts:
        log("answer", **fields)
        return
    word = reply.verdict.verdict if name == "rollback" else "pass" if reply.yes else "wait"
    decision = fields | {"verdict": word, "reason": reply.verdict.reason, "evidence": reply.verdict.to_dict()}
    log("decision", **decision)
    request.app.state.consequences.on_verdict(subject, decision)


# --- the rest -----------------------------------------------------------------------------


async def _event(request: Request) -> Response:
    """Receives Flagger's events. The consequences of a rollout's end are carried out after the answer."""
    try:
        question = read_payload(await request.body())
    except WebhookPayloadError as error:
        return PlainTextResponse(str(error), status_code=400)
    log("flagger", **question.model_dump(exclude={"metadata": {"rollout"}}))
    if question.rolled_back:
        judge: Judge = request.app.state.judge
        with contextlib.suppress(UnknownSubjectError):  # then there is no evidence to report
            await judge.meet(question)
    if question.rolled_back or question.now_serving:
        request.app.state.consequences.on_rollout_end(question)
    return Response(status_code=202)


async def _verdict(request: Request) -> Response:
    """The whole verdict as JSON, on the next weight or on the query's `toward` percent."""
    judge: Judge = request.app.state.judge
    try:
        subject = judge.find(request.query_params.get("service", ""), request.query_params.get("namespace", ""))
    except UnknownSubjectError as error:
        return PlainTextResponse(str(error), status_code=404)
    try:
        toward = float(request.query_params["toward"]) if "toward" in request.query_params else None
    except ValueError:
        toward = -1.0
    if toward is not None and not 0 < toward <= 100:
        return PlainTextResponse("toward is a weight in percent, above 0 and at most 100", status_code=400)
    return JSONResponse({"service": subject.service, **judge.verdict(subject, toward).to_dict()})


async def _healthz(request: Request) -> Response:
    """200, or 503 once the source is not read any more."""
    if request.app.state.watcher.done():
        return PlainTextResponse("the source is not watched any more; see the log", status_code=503)
    return PlainTextResponse("ok")


async def _metrics(request: Request) -> Response:
    judge: Judge = request.app.state.judge
    verdicts = {subject: judge.verdict(subject) for subject in judge.rollouts}
    return PlainTextResponse(page(verdicts, judge.answers))
