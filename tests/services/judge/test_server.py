"""Flagger's webhooks and the verdict, through the ASGI application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import replace

import httpx
import pytest

from components.spec.contract import Harm, Rollout
from services import telemetry
from services.judge.evidence.series import Series
from services.judge.judge import Judge
from services.judge.server import build_app
from services.judge.shadow.reading import Compared, ReplicaCounts
from services.judge.shadow.series import InShadow
from services.judge.shadow.sources import Shadows
from services.judge.statistics.paired import PairCounts
from services.judge.webhook import Subject, read_payload
from tests.services.judge.recorded import NOW, ROLLOUT, Recorded, recorded


def ask(
    series: Series, *calls: tuple[str, str, object], rollout: Rollout = ROLLOUT, shadows: Shadows | None = None
) -> list[httpx.Response]:
    """The answers of a judge with these samples to calls of (method, path, JSON)."""

    async def go() -> list[httpx.Response]:
        app = build_app(Judge({"churn": rollout}, Recorded(series), lambda: NOW, 1.0, shadows))
        transport = httpx.ASGITransport(app=app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://j") as c:
            return [await _send(c, call) for call in calls]

    return asyncio.run(go())


def _send(client: httpx.AsyncClient, call: tuple[str, str, object]) -> Awaitable[httpx.Response]:
    method, path, body = call
    return client.request(method, path, content=body if isinstance(body, str) else json.dumps(body))


FLAGGER = {"name": "churn", "namespace": "models", "phase": "Progressing", "metadata": {}}
QUESTIONS = tuple(
    ("POST", f"/{question}", FLAGGER) for question in ("confirm-traffic-increase", "confirm-promotion", "rollback")
)


@pytest.mark.parametrize(
    ("weight", "errors", "requests", "statuses"),
    [
        (10, 0, 600, [200, 403, 403]),
        (10, 0, 30, [403, 403, 403]),
        (10, 100, 600, [403, 403, 200]),
        (50, 0, 6000, [200, 200, 403]),
    ],
    ids=["safe for a step", "too little", "harm", "safe for all"],
)
def test_flaggers_questions(weight: float, errors: float, requests: float, statuses: list[int]) -> None:
    answers = ask(recorded(weight, errors, requests), *QUESTIONS)
    assert [answer.status_code for answer in answers] == statuses


def test_at_the_deadline_undecided_goes_and_is_logged_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    """At its deadline an undecided canary goes; one that showed harm is logged as failed."""
    late = ROLLOUT.model_copy(update={"deadline_minutes": 0.01})
    for errors, word in ((0, "undecided"), (10, "fail")):
        *rest, rollback, verdict, page = ask(
            recorded(10, errors, 30), *QUESTIONS, ("GET", "/verdict", None), ("GET", "/metrics", None), rollout=late
        )
        assert [answer.status_code for answer in (*rest, rollback)] == [403, 403, 200]
        assert rollback.text.startswith(f"{word}: ")
        assert verdict.json()["verdict"] == word
        logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(each["question"], each["verdict"]) for each in logged if each["event"] == "decision"] == [
            ("confirm-traffic-increase", "wait"), ("confirm-promotion", "wait"), ("rollback", word)
        ]  # fmt: skip
        for name in ("pass", "fail", "wait", "undecided"):
            assert f'service="churn",verdict="{name}"}} {float(name == word)}' in page.text


def test_a_no_has_its_reason_and_a_decision_is_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A no carries the reason, and each decision is one JSON line."""
    (answer,) = ask(recorded(10, 0, 30), QUESTIONS[0])
    assert answer.text.startswith(
        "wait: not sure yet about errors. After 12 s, with 10 % of the traffic, 2.5 requests a s"
    )
    (line,) = capsys.readouterr().out.splitlines()
    logged = json.loads(line)
    assert logged["event"] == "decision"
    assert (logged["question"], logged["yes"], logged["service"]) == ("confirm-traffic-increase", False, "churn")
    assert logged["reason"] == answer.text
    assert (logged["verdict"], logged["weight"], logged["version"], logged["at"]) == ("wait", 10, "canary", NOW)
    assert logged["evidence"]["signals"][0]["name"] == "error_ratio"


def test_the_first_weight_is_given_when_both_sides_can_be_read() -> None:
    idle = recorded(0, 0, 0)
    assert ask(idle, *QUESTIONS)[0].status_code == 200
    del idle.replicas["canary"]
    assert ask(idle, *QUESTIONS)[0].status_code == 403


def test_a_weight_is_not_raised_twice_on_one_reading() -> None:
    """After a yes the weight has to be read anew: it may be larger now, and nothing is known of it."""
    twice = [QUESTIONS[0]] * 2
    for series in (recorded(10, 0, 600), recorded(0, 0, 0)):
        first, second = ask(series, *twice)
        assert (first.status_code, second.status_code) == (200, 403)
        assert "and may be larger since then" in second.text


def test_a_weight_that_was_read_anew_may_rise() -> None:
    """Where Flagger did not raise it after all, it may be raised again some seconds later."""
    series, now = recorded(0, 0, 0), NOW
    judge = Judge({"churn": ROLLOUT}, Recorded(series), lambda: now, 1.0)
    subject = judge.find("churn")
    judge.raises(subject, 0)
    for seconds, doubted in ((0.5, True), (6.0, False)):
        series.add_weight(NOW + seconds, 0)
        assert bool(judge.unread(subject, 0)) == doubted
    now += 6
    judge.raises(subject, 0)
    series.add_weight(now + 0.5, 10)
    assert not judge.unread(subject, 10)


def test_flagger_counts_the_failures_before_the_first_weight() -> None:
    """Flagger counts each answer that keeps a canary from its first weight."""
    looks = tuple(("POST", f"/{hook}", FLAGGER) for hook in ("confirm-rollout", "pre-rollout", "rollout"))
    assert [answer.status_code for answer in ask(recorded(0, 0, 0), *looks)] == [200, 200, 200]
    # A canary that its hold-out compared with nothing: nobody may say that its scores are those of the champion.
    unknown = recorded(0, 0, 0)
    last = unknown.replicas["canary"].readings[-1]
    unknown.replicas["canary"].readings[-1] = replace(last, holdout=None)
    _, answer, _ = ask(unknown, *looks, rollout=Rollout())
    assert (answer.status_code, "what the hold-out showed between the two versions is missing" in answer.text) == (
        403, True
    )  # fmt: skip


def test_nothing_to_read_is_no_to_everything() -> None:
    assert [answer.status_code for answer in ask(Series(), *QUESTIONS)] == [403, 403, 403]


def test_the_verdict_is_whole_and_says_which_weight_it_is_about() -> None:
    step, promotion, only = ask(
        recorded(10, 0, 600),
        ("GET", "/verdict?service=churn", None),
        ("GET", "/verdict?service=churn&toward=100", None),
        ("GET", "/verdict", None),
    )
    document = step.json()
    assert (document["service"], document["verdict"], document["weight"]) == ("churn", "pass", 10)
    assert (document["next_weight"], promotion.json()["next_weight"]) == (20, 100)
    assert promotion.json()["verdict"] == "wait"
    assert only.json() == document
    assert {"lower", "upper", "margin", "excess", "e_harm", "canary_observations"} <= set(document["signals"][0])


@pytest.mark.parametrize(
    ("call", "status", "words"),
    [
        (("POST", "/rollback", {"name": "other"}), 404, "no service 'other' is judged here; judged are: churn"),
        (("POST", "/rollback", {}), 400, "name: Field required; a question is a JSON object"),
        (("POST", "/rollback", "{"), 400, "a question is a JSON object"),
        (("POST", "/rollback", "[1]"), 400, "a question is a JSON object"),
        (("POST", "/event", "nothing"), 400, "a question is a JSON object"),
        (("GET", "/verdict?service=other", None), 404, "judged are: churn"),
        (("GET", "/verdict?toward=0", None), 400, "above 0 and at most 100"),
        (("GET", "/verdict?toward=much", None), 400, "above 0 and at most 100"),
        (("GET", "/rollback", None), 405, ""),
    ],
)
def test_wrong_questions_get_a_clear_answer(call: tuple[str, str, object], status: int, words: str) -> None:
    (answer,) = ask(recorded(10, 0, 600), call)
    assert (answer.status_code, words in answer.text) == (status, True)


def test_events_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    event = {**FLAGGER, "phase": "Failed", "metadata": {"eventMessage": "Rolling back churn", "eventType": "Warning"}}
    (answer,) = ask(Series(), ("POST", "/event", event))
    assert answer.status_code == 202
    logged = json.loads(capsys.readouterr().out)
    assert (logged["event"], logged["phase"], logged["metadata"]["event_message"]) == (
        "flagger", "Failed", "Rolling back churn"
    )  # fmt: skip


def test_health_and_metrics() -> None:
    health, _, page = ask(recorded(10, 0, 600), ("GET", "/healthz", None), QUESTIONS[2], ("GET", "/metrics", None))
    assert health.status_code == 200
    assert 'canario_judge_verdict{namespace="",service="churn",verdict="pass"} 1.0' in page.text
    assert 'canario_judge_log_evidence{namespace="",of="safe",service="churn",signal="error_ratio"}' in page.text
    assert 'canario_judge_answers_total{answer="no",namespace="",question="rollback",service="churn"} 1.0' in page.text


def test_health_is_bad_once_the_source_is_not_watched_any_more() -> None:
    class Broken(Recorded):
        async def refresh(self) -> None:
            raise RuntimeError("a defect")

    async def go() -> int:
        app = build_app(Judge({"churn": ROLLOUT}, Broken(Series()), lambda: NOW, 1.0))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://j") as client:
            app.state.watcher = asyncio.create_task(app.state.judge.watch())
            with pytest.raises(RuntimeError, match="a defect"):
                await app.state.watcher
            return (await client.get("/healthz")).status_code

    assert asyncio.run(go()) == 503


# --- strategy shadow-then-canary ------------------------------------------------------------

FIRST = ROLLOUT.model_copy(
    update={"strategy": "shadow-then-canary", "harm": Harm(slow_ratio=None, lost_ratio=None, score_shift=None)}
)


class Shadowed:
    """A source that knows one candidate."""

    def __init__(self, version: str, difference: float, labels: float, seconds: float = 60, began: float = 900) -> None:
        cells = tuple(labels * (value == difference) for value in telemetry.SHADOW_DIFFERENCES)
        seen = ReplicaCounts("1", version, Compared(labels), {}, {}, 0.0, PairCounts(labels, labelled=cells))
        self.known = InShadow(version, seconds, began, seen)

    async def follow(self, subject: Subject, rollout: Rollout) -> None:
        """There is one subject."""

    async def refresh(self) -> None:
        """There is nothing new."""

    def now(self, _: Subject) -> InShadow:
        return self.known


OF_TWO = {**FLAGGER, "metadata": {"version": "2"}}


def ask_first(series: Series, shadows: Shadowed | None, *questions: str) -> list[httpx.Response]:
    calls = [("POST", f"/{question}", OF_TWO) for question in questions]
    return ask(series, *calls, rollout=FIRST, shadows=shadows)


@pytest.mark.parametrize(
    ("shadows", "statuses", "words"),
    [
        (Shadowed("2", 0.0, 1000), [200, 200, 403, 200], "pass: safe in the shadow, may get 10 % of traffic"),
        (Shadowed("2", 0.0, 10), [200, 200, 403, 403], "wait: in the shadow, over 10 labelled requests"),
        (Shadowed("2", 0.1, 1000), [200, 200, 200, 403], "fail: in the shadow, over 1,000 labelled requests"),
        (Shadowed("2", 0.0, 10, seconds=3601), [200, 200, 200, 403], "undecided: no decision within the deadline"),
        (Shadowed("1", 0.1, 1000), [200, 200, 403, 403], "wait: in the shadow, version 2 has not been seen"),
        (None, [200, 200, 403, 403], "wait: in the shadow, nothing reads the counts about churn's candidate"),
    ],
    ids=["safe", "too little", "harm", "deadline", "an earlier one's harm", "no source"],
)
def test_the_first_weight_needs_a_pass_in_the_shadow(
    shadows: Shadowed | None, statuses: list[int], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Flagger's looks go on, harm rolls back, and only a pass gives traffic; each is a decision at 0 %."""
    answers = ask_first(
        recorded(0, 0, 0), shadows, "confirm-rollout", "pre-rollout", "rollback", "confirm-traffic-increase"
    )
    assert [answer.status_code for answer in answers] == statuses
    assert answers[-1].text.startswith(words)
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    decided = [(each["weight"], each["verdict"]) for each in logged if each["event"] == "decision"]
    rolled_back = [(0, words.partition(":")[0])] if statuses[2] == 200 else []
    assert decided == [*rolled_back, (0, "pass" if statuses[3] == 200 else "wait")]


def test_after_the_shadow_the_canary_is_judged_by_the_rest() -> None:
    """At a weight the shadow's word does not count any more, and labels and scores do not either."""
    (answer,) = ask_first(recorded(10, 0, 3000), Shadowed("2", 0.1, 1000), "confirm-traffic-increase")
    assert answer.status_code == 200
    assert answer.text.endswith(". label_loss: judged in the shadow before the first weight")
    (answer,) = ask_first(recorded(10, 300, 3000), Shadowed("2", 0.0, 1000), "rollback")
    assert (answer.status_code, "ended in an error" in answer.text) == (200, True)


def test_a_champion_without_copies_is_judged_as_a_canary() -> None:
    """Where the champion was started under another strategy, scores and labels are the canary's, and that is said."""
    shadows = Shadowed("2", 0.0, 0)
    shadows.known = replace(shadows.known, copies=False)
    first, step, harm = (
        ask_first(recorded(*case), shadows, question)[0]
        for case, question in (
            ((0, 0, 0), "confirm-traffic-increase"),
            ((10, 0, 3000), "confirm-traffic-increase"),
            ((10, 300, 3000), "rollback"),
        )
    )
    assert (first.status_code, step.status_code, harm.status_code) == (200, 403, 200)
    assert "label_loss cannot be judged: the canary has no label come back yet" in step.text
    assert step.text.endswith("sends no copies, so this one is judged as a canary alone")


def test_both_sides_must_be_readable_in_the_shadow_too() -> None:
    unread = recorded(0, 0, 0)
    del unread.replicas["canary"]
    answers = ask_first(unread, Shadowed("2", 0.0, 1000), "pre-rollout", "confirm-traffic-increase")
    assert [answer.status_code for answer in answers] == [403, 403]


@pytest.mark.parametrize(
    ("traffic_gone", "began", "words"),
    [
        (None, 900.0, "fail: in the shadow"),
        (1013.0, 1020.0, "fail: in the shadow"),
        (1013.0, 900.0, "fail: too many errors: 10.0 % against 0.00 % (margin 0.50 %)"),
    ],
    ids=["never any traffic", "traffic of an earlier one", "its own traffic"],
)
def test_the_end_of_a_rollout_is_told_from_where_it_was(traffic_gone: float | None, began: float, words: str) -> None:
    """A rollout that ended in the shadow is told by its pairs; one that had traffic by its counts."""
    series = recorded(0, 0, 0) if traffic_gone is None else recorded(10, 300, 3000)
    if traffic_gone is not None:
        series.add_weight(traffic_gone, 0)

    async def go() -> str:
        shadows = Shadowed("2", 0.1, 1000, began=began)
        judge = Judge({"churn": FIRST}, Recorded(series), lambda: NOW, 1.0, shadows)
        return (await judge.last_verdict(await judge.meet(read_payload(json.dumps(OF_TWO).encode())))).reason

    assert asyncio.run(go()).startswith(words)
