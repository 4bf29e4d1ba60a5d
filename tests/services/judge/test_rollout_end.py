"""Rollbacks of which no judge was told: found in the cluster, and reverted once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from components.git.repository import Repository
from components.releases.environment_repository import EnvironmentRepository
from services.judge.actions.consequences import Consequences
from services.judge.actions.kubernetes import KubernetesApi
from services.judge.evidence.series import Series
from services.judge.judge import Judge
from services.judge.rollout_end import rollout_end
from services.judge.webhook import WebhookPayloadError
from tests.services.judge.api_server import ApiServer, api_server, failed_canary
from tests.services.judge.churn_release import FILE, TOLD, asking
from tests.services.judge.recorded import NOW, Recorded, recorded


def watch(api: ApiServer, environment: EnvironmentRepository, looks: int, series: Series | None = None) -> None:
    """A judge that starts, and looks so many times; the samples are there for it to read."""

    async def go() -> None:
        pauses = 0

        async def pause(_: float) -> None:
            nonlocal pauses
            pauses += 1
            if pauses == looks:
                raise asyncio.CancelledError

        judge = Judge({}, Recorded(series or Series()), lambda: NOW, 1.0)
        cluster = KubernetesApi(api.url, lambda: "secret", lambda: NOW, None)
        consequences = Consequences(judge, cluster, environment, ["models"], sleep=pause)
        with pytest.raises(asyncio.CancelledError):
            await consequences.watch()
        await consequences.close()

    asyncio.run(go())


def test_a_failure_unheard_by_a_judge_is_reverted_once_later(remote: Repository) -> None:
    """A failure that no judge heard is reverted once, by the judge that starts next."""
    with api_server() as api:
        api.canaries = [failed_canary()]
        for _ in range(2):
            watch(api, EnvironmentRepository(f"file://{remote.path}"), looks=2)
        (event,) = api.events.values()
    assert [commit.subject for commit in remote.log()][3:] == ['Revert "Deploy churn 2"']
    assert "Version 2 (sha256:new) of churn was rolled back:\nFlagger rolled it back" in remote.log()[-1].message
    assert remote.read(FILE) == asking("1")
    assert event["reason"] == "Reverted"


@pytest.mark.parametrize(("errors", "trailer"), [(0, "Undecided"), (10, "Rolled-back")])
def test_a_judge_that_was_never_asked_finds_the_reason(remote: Repository, errors: float, trailer: str) -> None:
    """Another replica was asked, and this one looks first; what was undecided must not be recorded as failed."""
    settings = json.loads(TOLD["rollout"]) | {"deadline_minutes": 0.01}
    failed, series = failed_canary(), recorded(10, errors, 30)
    failed["spec"]["analysis"]["webhooks"] = [{"type": "event", "metadata": {**TOLD, "rollout": json.dumps(settings)}}]
    series.add_weight(1012.9, 0)
    with api_server() as api:
        api.canaries = [failed]
        watch(api, EnvironmentRepository(f"file://{remote.path}"), 1, series)
    assert remote.log()[-1].message.endswith(f"\n\n{trailer}: churn 2 sha256:new")
    assert "- error_ratio: state" in remote.log()[-1].message


def test_the_champion_that_was_brought_back_has_not_failed(remote: Repository) -> None:
    """After the revert the champion is written into the Canary, which stays Failed, and is looked at every 10 s."""
    with api_server() as api:
        api.canaries = [failed_canary()]
        watch(api, EnvironmentRepository(f"file://{remote.path}"), looks=1)
        back = failed_canary()
        back["metadata"]["managedFields"][0]["time"] = "2026-01-01T00:06:00Z"
        back["spec"]["analysis"]["webhooks"][1]["metadata"] = TOLD | {"version": "1", "package": "sha256:old"}
        api.canaries = [back]
        watch(api, EnvironmentRepository(f"file://{remote.path}"), looks=2)
    assert [commit.subject for commit in remote.log()][3:] == ['Revert "Deploy churn 2"']
    assert remote.read(FILE) == asking("1")


def test_a_release_by_hand_is_not_reverted_for_an_old_rollback(remote: Repository) -> None:
    """A version that was released again by hand is not reverted for the same rollback."""

    def again(_: float) -> None:
        remote.write(FILE, asking("2"), "Try churn 2 again")

    with api_server() as api:
        api.canaries = [failed_canary()]
        judge = Judge({}, Recorded(Series()), lambda: NOW, 1.0)
        cluster = KubernetesApi(api.url, lambda: "secret", lambda: NOW, None)
        looks: list[float] = []

        async def pause(seconds: float) -> None:
            looks.append(seconds)
            if len(looks) == 2:
                raise asyncio.CancelledError
            again(seconds)

        watcher = Consequences(judge, cluster, EnvironmentRepository(f"file://{remote.path}"), ["models"], sleep=pause)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(watcher.watch())
    assert looks == [60.0, 60.0]
    assert remote.log()[-1].subject == "Try churn 2 again"


def _written_since(canary: dict[str, Any]) -> None:
    canary["metadata"]["managedFields"][0]["time"] = canary["status"]["conditions"][0]["lastUpdateTime"]


def _without_times(canary: dict[str, Any]) -> None:
    del canary["metadata"]["managedFields"]


def _under_way(canary: dict[str, Any]) -> None:
    canary["status"]["phase"] = "Progressing"


def _new(canary: dict[str, Any]) -> None:
    del canary["status"]


def _without_condition(canary: dict[str, Any]) -> None:
    del canary["status"]["conditions"]


def _with_the_condition_of_another_phase(canary: dict[str, Any]) -> None:
    canary["status"]["conditions"][0]["reason"] = "Progressing"


def _of_somebody_else(canary: dict[str, Any]) -> None:
    canary["spec"]["analysis"] = {"webhooks": [{"type": "event"}]}


@pytest.mark.parametrize(
    "change",
    [
        _written_since, _without_times, _under_way, _new, _without_condition, _with_the_condition_of_another_phase,
        _of_somebody_else,
    ],
)  # fmt: skip
def test_a_canary_of_an_unknown_release_is_left_alone(change: Any) -> None:
    """A Canary is left alone when it does not say which release ended."""
    canary = failed_canary()
    assert rollout_end(canary) is not None
    change(canary)
    assert rollout_end(canary) is None


def test_unreadable_metadata_is_refused_and_holds_up_nobody(
    remote: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """Metadata that cannot be read is refused, and holds up nobody else."""
    broken = failed_canary()
    broken["spec"]["analysis"]["webhooks"] = [{"type": "event", "metadata": TOLD | {"rollout": "{"}}]
    with pytest.raises(WebhookPayloadError, match=r"metadata\.rollout"):
        rollout_end(broken)
    with api_server() as api:
        api.canaries = [broken, failed_canary()]
        watch(api, EnvironmentRepository(f"file://{remote.path}"), looks=1)
    assert remote.log()[-1].subject == 'Revert "Deploy churn 2"'
    assert "metadata.rollout" in capsys.readouterr().out


def test_an_unreachable_repository_is_tried_at_the_next_look(remote: Repository) -> None:
    """A repository that is down is tried again at the next look."""
    home, away = remote.path, remote.path.with_name("away.git")
    home.rename(away)

    async def pause(seconds: float) -> None:
        if seconds == 60.0 and home.exists():
            raise asyncio.CancelledError
        if seconds == 60.0:
            away.rename(home)

    with api_server() as api:
        api.canaries = [failed_canary()]
        judge = Judge({}, Recorded(Series()), lambda: NOW, 1.0)
        cluster = KubernetesApi(api.url, lambda: "secret", lambda: NOW, None)
        watcher = Consequences(judge, cluster, EnvironmentRepository(f"file://{home}"), ["models"], sleep=pause)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(watcher.watch())
    assert remote.log()[-1].subject == 'Revert "Deploy churn 2"'
