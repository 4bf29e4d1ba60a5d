"""What serves is champion in MLflow: with a real server, and the cluster's part played by a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from components.registry.model_registry import (
    RUN_TAG,
    SNAPSHOT_TAG,
    SNAPSHOT_URI_TAG,
    champion,
    connect,
    promote,
    register_version,
)
from components.spec.contract import PACKAGE_TAG
from services.judge.actions.consequences import Consequences
from services.judge.actions.kubernetes import KubernetesApi
from services.judge.actions.mlflow_alias import Registry
from services.judge.errors import RegistryError, UnregisteredError
from services.judge.evidence.series import Series
from services.judge.judge import Judge
from services.judge.webhook import payload_of
from tests.components.mlflow_server import running_server
from tests.services.judge.api_server import ApiServer, api_server, failed_canary
from tests.services.judge.churn_release import TOLD
from tests.services.judge.recorded import NOW, Recorded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PROMOTED = {"name": "churn", "namespace": "models", "phase": "Finalising",
            "metadata": {**TOLD, "eventMessage": "Promotion completed! Scaling down churn.models"}}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """MLflow with two versions of churn, of which the first is champion."""
    with running_server(tmp_path_factory.mktemp("mlflow")) as uri:
        for package in ("sha256:old", "sha256:new"):
            tags = {PACKAGE_TAG: package, SNAPSHOT_TAG: "sha256:s", SNAPSHOT_URI_TAG: "s", RUN_TAG: "r"}
            register_version(connect(uri), "churn", "s3://bucket/p", "", tags)
        yield uri


@pytest.fixture
def mlflow(server: str) -> str:
    promote(server, "churn", "1")
    return server


def champion_of(uri: str) -> str:
    found = champion(uri, "churn")
    assert found
    return found.version


def tell(api: ApiServer, uri: str) -> None:
    """Tells a judge what Flagger tells of a promotion, and lets it come to its end."""

    async def go() -> None:
        judge = Judge({}, Recorded(Series()), lambda: NOW, 1.0)
        cluster = KubernetesApi(api.url, lambda: "secret", lambda: NOW, None)
        consequences = Consequences(judge, cluster, registry=Registry(uri), sleep=_no_pause)
        consequences.on_rollout_end(payload_of(PROMOTED))
        await consequences.close()

    asyncio.run(go())


async def _no_pause(_: float) -> None:
    await asyncio.sleep(0)


def ended(phase: str, **told: Any) -> dict[str, Any]:
    canary = failed_canary(phase=phase)
    canary["spec"]["analysis"]["webhooks"] = [{"type": "event", "metadata": {**TOLD, **told}}]
    return canary


@pytest.mark.parametrize("phase", ["Succeeded", "Initialized"])
def test_what_serves_becomes_champion_and_that_is_said_once(mlflow: str, phase: str) -> None:
    with api_server() as api:
        api.canary = ended(phase)
        tell(api, mlflow)
        tell(api, mlflow)
        (event,) = api.events.values()
    assert champion_of(mlflow) == "2"
    assert (event["reason"], event["message"]) == ("Champion", "version 2 is champion in MLflow")


def test_a_promotion_is_believed_only_from_the_canary(mlflow: str) -> None:
    """A promotion moves nothing unless the Canary says so itself."""
    with api_server() as api:
        api.canary = ended("Progressing")
        tell(api, mlflow)
    assert champion_of(mlflow) == "1"


def test_a_version_that_mlflow_does_not_know_is_not_champion(mlflow: str) -> None:
    """A version is not made champion when MLflow has another package of it or none; an event says so."""
    with api_server() as api:
        api.canary = ended("Succeeded", package="sha256:another")
        tell(api, mlflow)
        (event,) = api.events.values()
    assert champion_of(mlflow) == "1"
    assert (event["reason"], event["type"]) == ("ChampionUnknown", "Warning")
    assert "version 2 of churn is sha256:new there, and sha256:another serves" in event["message"]
    with pytest.raises(UnregisteredError, match="MLflow says 404"):
        asyncio.run(Registry(mlflow).promote("churn", "9", "sha256:new"))


def test_an_unreachable_registry_is_a_fault_of_its_own() -> None:
    """A server that is gone is a fault of its own, which is tried again."""
    with pytest.raises(RegistryError, match="MLflow cannot be asked") as raised:
        asyncio.run(Registry("http://127.0.0.1:1").promote("churn", "2", "sha256:new"))
    assert not isinstance(raised.value, UnregisteredError)
