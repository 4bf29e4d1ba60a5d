"""At last: whoever uninstalls a service finds nothing of it afterwards."""

from __future__ import annotations

import subprocess

import pytest

from tests.e2e.kube import Kube
from tests.e2e.scenario import SERVICE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_SECONDS = 120.0


def test_an_uninstalled_service_leaves_nothing_behind(models: Kube, champion: None, bare: frozenset[str]) -> None:
    """Neither what the chart made, nor what Flagger and the controllers made of it; other namespaces get nothing."""
    assert models.everything() > bare
    subprocess.run(["helm", "uninstall", SERVICE, "--namespace", models.namespace], check=True, capture_output=True)
    models.wait("only what was there before is there", lambda: models.everything() <= bare, _SECONDS)
    assert models.everything() == bare
