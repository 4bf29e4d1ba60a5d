"""Replicas follow the load, each version's its own."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Calling
from tests.e2e.kube import Kube
from tests.e2e.observed import replicas
from tests.e2e.scenario import SERVICE, Environment, Version

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

_CHAMPION = f"{SERVICE}-primary"
#: The autoscaler looks four times a minute, and waits for half a minute of little load before a replica goes.
_SECONDS = 180.0


def test_the_version_that_has_the_load_gets_the_replicas(
    models: Kube, champion: None, environment: Environment, packages: dict[str, str], calling: Calling
) -> None:
    """Callers go past the gateway here, to one version alone; the canary gets no traffic by itself, so it stays."""

    def counts(canary: int, served: int) -> None:
        want = (canary, served)
        seen = lambda: (replicas(models, SERVICE), replicas(models, _CHAMPION)) == want  # noqa: E731
        models.wait(f"{canary} replicas of the canary and {served} of the champion", seen, _SECONDS)

    environment.deploy(Version("10", packages["2"]))
    counts(2, 2)
    with calling(f"http://{SERVICE}-canary.{models.namespace}"):
        counts(3, 2)
    with calling(f"http://{_CHAMPION}.{models.namespace}"):
        counts(2, 3)
    counts(2, 2)
