"""The same versions on the twin and on the cluster: the same verdicts at the same weights for the same signals."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.git.repository import Repository
from components.releases.release_file import Release
from k8s.twin.demo.traffic import Traffic
from k8s.twin.twin import Twin
from services.judge.decisions import outline
from tests.e2e.callers import Callers
from tests.e2e.kube import Kube
from tests.e2e.observed import decided, phase
from tests.e2e.scenario import (
    AT_ONCE,
    DEMO,
    SERVICE,
    BadVersion,
    Environment,
    Version,
    bad_versions,
    package_folder,
    spec_with,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

_ROLLOUT_SECONDS = 300.0
_TWIN_SECONDS = 90.0
#: Between two turns of the twin's rollout.
_INTERVAL_SECONDS = 1.5


@pytest.fixture
def bad(packages: dict[str, str]) -> list[BadVersion]:
    """Those that get half the traffic at once; when another one fails depends on how many replicas share the load."""
    return [one for one in bad_versions(packages) if one.steps == AT_ONCE]


@pytest.fixture
def said_by_the_cluster(
    models: Kube,
    champion: None,
    environment: Environment,
    callers: Callers,
    packages: dict[str, str],
    bad: list[BadVersion],
    tmp_path: Path,
) -> list[str]:
    """What its judges decided; test_rollouts.py, where it ran before, has brought all of these versions."""
    numbers = ["2", *(one.version.number for one in bad)]
    if not decided(*numbers):
        environment.deploy(Version("2", packages["2"]), "--follow")
        for one in bad:
            environment.deploy(one.version, spec=spec_with(tmp_path, **AT_ONCE))
            models.wait(f"{one.fault} is rolled back", lambda: phase(models) == "Failed", _ROLLOUT_SECONDS)
    callers.stop()
    return decided(*numbers)


def said_by_a_twin(home: Path, good: str, bad: list[BadVersion]) -> list[str]:
    """What a twin decides on the bad versions, one after the other, beside the good one."""
    spec = spec_with(home, **AT_ONCE)
    repository = Repository.create(home / "environment.git")
    twin = Twin(spec, home / "twin", repository, package_folder, interval_seconds=_INTERVAL_SECONDS)
    with twin:
        deploy(twin, Version("2", good))
        with Traffic(twin.url, spec, DEMO / "data" / "live.parquet", home):
            for one in bad:
                deploy(twin, one.version)
    return outline((home / "twin" / "events.jsonl").read_text(encoding="utf-8").splitlines(), SERVICE)


def deploy(twin: Twin, version: Version) -> None:
    release = Release(service=SERVICE, version=version.number, package=version.package, settings=version.settings)
    twin.deploy(release, f"{SERVICE}: release version {version.number}")
    assert twin.wait_for_end(version.number, _TWIN_SECONDS), f"version {version.number} comes to no end"


def test_the_cluster_decides_as_the_twin_does(
    said_by_the_cluster: list[str], packages: dict[str, str], bad: list[BadVersion], tmp_path: Path
) -> None:
    """Line by line: the good version of the demo, step by step, and then each of the bad ones."""
    demo = (DEMO / "twin" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    good = [line for line in outline(demo, SERVICE) if line.startswith("2:")]
    assert said_by_the_cluster == good + said_by_a_twin(tmp_path, packages["2"], bad)
