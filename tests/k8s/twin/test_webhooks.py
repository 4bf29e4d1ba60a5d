"""What is sent and what counts as a yes, as in Flagger's pkg/controller/webhook.go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from k8s.twin.webhooks import Reply, Webhooks
from tests.k8s.twin.scripted_judge import ScriptedJudge, scripted_judge
from tests.k8s.twin.tiny import release


@pytest.fixture(scope="module")
def judge() -> Iterator[ScriptedJudge]:
    with scripted_judge() as judge:
        yield judge


@pytest.mark.parametrize(
    ("status", "yes"), [(200, True), (201, True), (202, True), (204, False), (403, False), (500, False)]
)
def test_only_200_to_202_is_a_yes(judge: ScriptedJudge, status: int, yes: bool) -> None:
    judge.says["rollback"] = status
    hooks = Webhooks(judge.url, "tiny", "demo")
    assert hooks.ask("rollback", release("2"), "Progressing").yes is yes


def test_the_payload_is_flaggers(judge: ScriptedJudge) -> None:
    hooks = Webhooks(judge.url, "tiny", "demo")
    hooks.ask("confirm-promotion", release("2"), "WaitingPromotion")
    assert judge.payloads[-1] == {
        "name": "tiny",
        "namespace": "demo",
        "phase": "WaitingPromotion",
        "checksum": release("2").checksum,
        "metadata": {"version": "2", "package": release("2").package},
    }


def test_an_event_tells_its_message_and_its_kind(judge: ScriptedJudge) -> None:
    Webhooks(judge.url, "tiny", "demo").tell("Canary failed!", release("2"), "Failed", warning=True)
    metadata = judge.payloads[-1]["metadata"]
    assert (metadata["eventMessage"], metadata["eventType"]) == ("Canary failed!", "Warning")
    assert metadata["timestamp"].isdigit()


def test_hooks_that_are_not_set_say_yes_except_to_a_rollback(judge: ScriptedJudge) -> None:
    hooks = Webhooks(judge.url, "tiny", "demo", {})
    judge.taken()
    assert hooks.ask("pre-rollout", release("2"), "Progressing").yes
    assert not hooks.ask("rollback", release("2"), "Progressing").yes
    hooks.tell("nobody listens", release("2"), "Progressing")
    assert judge.taken() == []


def test_nobody_there_is_a_no_and_no_verdict() -> None:
    hooks = Webhooks("http://127.0.0.1:9", "tiny", "demo")
    reason = "the webhook confirm-promotion does not answer"
    assert hooks.ask("confirm-promotion", release("2"), "Progressing") == Reply(yes=False, reason=reason)
    assert hooks.verdict() == {}
    hooks.tell("nobody listens", release("2"), "Progressing")


def test_the_verdict_is_asked_for_on_the_weight_that_matters(judge: ScriptedJudge) -> None:
    hooks = Webhooks(judge.url, "tiny", "demo")
    assert hooks.verdict()["asked"] == "/verdict?service=tiny"
    assert hooks.verdict(toward=100)["asked"] == "/verdict?service=tiny&toward=100"
