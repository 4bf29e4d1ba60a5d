"""Events in the cluster and reverts in Git, after an answer was given; the API server's part is played by a socket."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from components.git.repository import Repository
from components.releases.environment_repository import EnvironmentRepository
from services.judge.actions.consequences import Consequences
from services.judge.actions.kubernetes import KubernetesApi, own_cluster
from services.judge.errors import KubernetesError
from services.judge.evidence.series import Series
from services.judge.judge import Judge
from services.judge.server import build_app
from tests.services.judge.api_server import api_server, progressing_canary
from tests.services.judge.builders import counts
from tests.services.judge.churn_release import FILE, TOLD, asking
from tests.services.judge.recorded import NOW, Recorded, recorded

ASKED = {"name": "churn", "namespace": "models", "phase": "Progressing", "metadata": TOLD}
FAILED = {"eventMessage": "Canary failed! Scaling down churn.models", "eventType": "Warning", **TOLD}
ROLLED_BACK = {**ASKED, "phase": "Failed", "metadata": FAILED}


async def _no_pause(_: float) -> None:
    await asyncio.sleep(0)


def tell(
    series: Series, url: str, environment: EnvironmentRepository | None, *calls: tuple[str, dict[str, Any]]
) -> list[int]:
    """The statuses of a judge with these samples, once all that follows has been done."""

    async def go() -> list[int]:
        judge = Judge({}, Recorded(series), lambda: NOW, 1.0)
        cluster = KubernetesApi(url, lambda: "secret", lambda: NOW, None) if url else None
        app = build_app(judge, Consequences(judge, cluster, environment, sleep=_no_pause))
        transport = httpx.ASGITransport(app=app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://j") as c:
            return [(await c.post(path, content=json.dumps(body))).status_code for path, body in calls]

    return asyncio.run(go())


def test_a_verdict_and_its_reason_are_one_event() -> None:
    """A verdict and its reason are one event, however often and by whichever replica they are given."""
    with api_server() as api:
        for requests in (30, 31):  # two replicas of the judge, at two moments
            tell(recorded(10, 0, requests), api.url, None, *[("/confirm-traffic-increase", ASKED)] * 3)
        (event,) = api.events.values()
        assert api.posts == 2
    assert (event["reason"], event["type"], event["count"]) == ("JudgeWait", "Normal", 1)
    assert event["message"].startswith(
        "wait: not sure yet about errors. After 12 s, with 10 % of the traffic, 2.5 requests a"
    )
    assert event["involvedObject"] == {
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "churn", "namespace": "models", "uid": "a-b-c",
    }  # fmt: skip
    assert event["firstTimestamp"] == "1970-01-01T00:16:53Z"
    assert api.token == "Bearer secret"


def test_each_change_of_the_verdict_is_an_event() -> None:
    with api_server() as api:
        for weight, errors, requests in ((10, 0, 30), (10, 0, 600), (20, 0, 600), (20, 200, 600)):
            api.canary, series = progressing_canary(weight), recorded(weight, errors, requests)
            tell(series, api.url, None, ("/rollback", ASKED), ("/confirm-traffic-increase", ASKED))
        said = [(event["reason"], event["type"]) for event in api.events.values()]
    assert said[:3] == [("JudgeWait", "Normal"), ("JudgePass", "Normal"), ("JudgePass", "Normal")]
    assert ("JudgeFail", "Warning") in said[3:]


def test_that_nothing_can_be_read_is_a_warning() -> None:
    with api_server() as api:
        down = Series(problems=("http://prometheus:9090 cannot be read: refused",))
        assert tell(down, api.url, None, ("/rollout", ASKED), ("/pre-rollout", ASKED)) == [403, 403]
        (event,) = api.events.values()
    assert (event["type"], event["message"].partition(";")[0]) == (
        "Warning", "wait: http://prometheus:9090 cannot be read: refused"
    )  # fmt: skip


def test_a_refused_event_changes_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with api_server() as api:
        api.status, api.canary = 403, progressing_canary(10)
        assert tell(recorded(10, 0, 600), api.url, None, ("/confirm-traffic-increase", ASKED)) == [200]
    assert "Kubernetes says 403: events is forbidden" in capsys.readouterr().out


@pytest.mark.parametrize(("read", "known", "status"), [(10, 10, 200), (10, 20, 403), (0, 10, 403), (0, 0, 200)])
def test_a_weight_rises_only_from_that_which_the_canary_has(
    read: int, known: int, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A weight is scraped now and then, and another replica may have let it rise since then."""
    with api_server() as api:
        api.canary = progressing_canary(known)
        assert tell(recorded(read, 0, 600), api.url, None, ("/confirm-traffic-increase", ASKED)) == [status]
    doubt = f"wait: the canary has {known} % of the traffic; what was read has {read} %"
    assert (doubt in capsys.readouterr().out) == (status == 403)


def test_a_canary_that_waits_for_promotion_is_promoted() -> None:
    """Flagger writes 0 into the status of a canary that keeps its traffic while it waits for promotion."""
    with api_server() as api:
        api.canary = progressing_canary(0)
        api.canary["status"]["phase"] = "WaitingPromotion"
        assert tell(recorded(10, 0, 600), api.url, None, ("/confirm-traffic-increase", ASKED)) == [200]


def test_a_canary_that_keeps_its_callers_gets_no_weight(capsys: pytest.CaptureFixture[str]) -> None:
    with api_server() as api:
        api.canary = progressing_canary(10)
        api.canary["spec"]["analysis"]["sessionAffinity"] = {"cookieName": "stay"}
        assert tell(recorded(10, 0, 600), api.url, None, ("/confirm-traffic-increase", ASKED)) == [403]
    said = capsys.readouterr().out
    assert "wait: spec.analysis.sessionAffinity (stay) keeps each caller at one version, and requests that are" in said


def test_without_kubernetes_no_weight_rises_and_harm_still_goes(capsys: pytest.CaptureFixture[str]) -> None:
    gone = "http://127.0.0.1:1"
    assert tell(recorded(10, 0, 600), gone, None, ("/confirm-traffic-increase", ASKED)) == [403]
    assert "nobody says whether the canary still has 10 %" in capsys.readouterr().out
    assert tell(recorded(10, 200, 600), gone, None, ("/rollback", ASKED)) == [200]


def test_a_rollback_is_reverted_after_its_traffic_is_gone(remote: Repository) -> None:
    """A rollback is reverted with the evidence, also when its traffic is gone."""
    series = recorded(10, 100, 600)
    series.add_weight(1012.9, 0)  # Flagger has taken the traffic back before it tells
    with api_server() as api:
        assert tell(series, api.url, EnvironmentRepository(f"file://{remote.path}"), ("/event", ROLLED_BACK)) == [202]
        (event,) = api.events.values()
    message = remote.log()[-1].message
    assert message.startswith('Revert "Deploy churn 2"')
    assert (
        "Version 2 (sha256:new) of churn was rolled back:\n"
        "fail: too many errors: 16.7 % against 0.00 % (margin 0.50 %). After" in message
    )
    assert "- error_ratio: state harm, canary 0.1667, champion 0, excess 0.1667, margin 0.005" in message
    assert remote.read(FILE) == asking("1")
    assert (event["reason"], event["message"].partition(":")[0]) == ("Reverted", 'Revert "Deploy churn 2"')


@pytest.mark.parametrize(
    ("errors", "word", "sentence"),
    [
        (0, "Undecided", "was undecided at its deadline and taken back:\nundecided: no decision within the deadline"),
        (10, "Rolled-back", "was rolled back:\nfail: "),
    ],
)
def test_a_deadline_is_reverted_as_undecided_unless_harmful(
    remote: Repository, errors: float, word: str, sentence: str
) -> None:
    """A deadline is reverted as undecided, with an Event of its own; where harm is shown, as failed."""
    settings = json.loads(TOLD["rollout"]) | {"deadline_minutes": 0.01}
    told = {**TOLD, "rollout": json.dumps(settings)}
    asked, over = {**ASKED, "metadata": told}, {**ROLLED_BACK, "metadata": {**FAILED, **told}}
    with api_server() as api:
        series = recorded(10, errors, 30)
        tell(series, api.url, None, ("/rollback", asked))
        (event,) = api.events.values()
        series.add_weight(1012.9, 0)
        tell(series, "", EnvironmentRepository(f"file://{remote.path}"), ("/event", over))
    kind = "JudgeUndecided" if word == "Undecided" else "JudgeFail"
    assert (event["reason"], event["type"]) == (kind, "Warning")
    message = remote.log()[-1].message
    assert f"Version 2 (sha256:new) of churn {sentence}" in message
    assert message.endswith(f"\n\n{word}: churn 2 sha256:new")
    assert remote.read(FILE) == asking("1")


@pytest.mark.parametrize(("seconds", "word"), [(11.7, "Undecided"), (11.95, "Rolled-back")])
def test_a_deadline_between_two_samples_is_found_again(remote: Repository, seconds: float, word: str) -> None:
    """The last sample with traffic is of 11.5 s, the first without of 11.9 s; the judge decided in between."""
    settings = json.loads(TOLD["rollout"]) | {"deadline_minutes": seconds / 60}
    over = {**ROLLED_BACK, "metadata": {**FAILED, **TOLD, "rollout": json.dumps(settings)}}
    series = recorded(10, 0, 30)
    series.add_weight(1012.9, 0)
    tell(series, "", EnvironmentRepository(f"file://{remote.path}"), ("/event", over))
    assert remote.log()[-1].message.endswith(f"\n\n{word}: churn 2 sha256:new")


@pytest.mark.parametrize(
    ("seconds", "told"), [(2.0, "fail: too many errors: 16.7 % against"), (120.0, "Flagger rolled it")]
)
def test_a_reverts_reason_is_that_of_the_decision(remote: Repository, seconds: float, told: str) -> None:
    """What came in after the decision, until the traffic was gone, does not take the reason out of the commit."""
    series = recorded(10, 100, 600)
    for after in (0.5, seconds):
        series.add_weight(1012.5 + after, 10)
    for role, replica in series.replicas.items():
        quiet = counts(60_000) if role == "canary" else counts(600_000)
        replica.add(1012.5 + seconds - 0.25, replace(replica.readings[-1], counts=quiet))
    series.add_weight(1013.0 + seconds, 0)
    tell(series, "", EnvironmentRepository(f"file://{remote.path}"), ("/event", ROLLED_BACK))
    assert told in remote.log()[-1].message


def test_flagger_tells_a_rollback_before_it_writes_it_down(remote: Repository) -> None:
    with api_server() as api:
        api.late = 3
        tell(Series(), api.url, EnvironmentRepository(f"file://{remote.path}"), ("/event", ROLLED_BACK))
    assert remote.log()[-1].message.startswith('Revert "Deploy churn 2"')


def test_a_rollback_is_believed_only_from_the_canary(remote: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """A rollback is not believed unless the Canary says so itself."""
    with api_server() as api:
        api.canary = progressing_canary()
        tell(Series(), api.url, EnvironmentRepository(f"file://{remote.path}"), ("/event", ROLLED_BACK))
        assert not api.events
    assert len(remote.log()) == 3
    assert "the Canary does not say so; nothing is done" in capsys.readouterr().out


def test_the_canary_and_not_the_call_says_what_is_reverted(remote: Repository) -> None:
    """The version that is reverted is the one in the Canary, and not the one in the call."""
    remote.write(FILE, asking("3"), "Deploy churn 3")
    lie = {**ROLLED_BACK, "metadata": {**FAILED, "version": "3"}}
    with api_server() as api:
        tell(Series(), api.url, EnvironmentRepository(f"file://{remote.path}"), ("/event", lie))
    assert len(remote.log()) == 4


def test_a_rollback_without_evidence_is_reverted_too(remote: Repository) -> None:
    tell(Series(), "", EnvironmentRepository(f"file://{remote.path}"), ("/event", ROLLED_BACK), ("/event", ROLLED_BACK))
    assert len(remote.log()) == 4
    assert "Flagger rolled it back; the judge's last word was wait:" in remote.log()[-1].message


def test_a_rollback_of_a_superseded_version_changes_nothing(remote: Repository) -> None:
    """A rollback changes nothing when its version is not asked for any more."""
    remote.write(FILE, asking("3"), "Deploy churn 3")
    tell(Series(), "", EnvironmentRepository(f"file://{remote.path}"), ("/event", ROLLED_BACK))
    assert len(remote.log()) == 4


def test_an_unwritable_repository_is_tried_again_and_told(
    remote: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """A repository that cannot be written is tried again, and the failure is told."""
    lost = EnvironmentRepository(f"file://{remote.path}/lost")
    with api_server() as api:
        tell(Series(), api.url, lost, ("/event", ROLLED_BACK))
        (event,) = api.events.values()
    assert capsys.readouterr().out.count('"event": "error"') == 6
    assert (event["reason"], event["type"]) == ("RevertFailed", "Warning")


def test_outside_a_cluster_events_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(KubernetesError, match="--events needs a pod"):
        own_cluster(lambda: NOW)
