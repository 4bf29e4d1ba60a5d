"""A version in the shadow: callers see nothing of it; what it answers differently, or worse, is found all the same."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.releases.release_file import Image, ShadowVersion
from k8s.rendering.environment_files import ClusterRelease
from tests.e2e.callers import Callers
from tests.e2e.conftest import Calling
from tests.e2e.kube import Kube
from tests.e2e.observed import decided, phase
from tests.e2e.scenario import AT_ONCE, SERVICE, Environment, Version, deploy, spec_with, write_platform

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

_PLANTED = 0.03
_SLICE = "contract=One year"
_HOST = "shadow.canario.local"
_SECONDS = 240.0


@pytest.fixture
def beside() -> Iterator[Kube]:
    """A namespace of its own, so that the service of the other tests keeps running."""
    kube = Kube("shadow")
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kube.namespace}})
    yield kube
    subprocess.run(["helm", "uninstall", SERVICE, "--namespace", kube.namespace, "--ignore-not-found"], check=True)
    kube.run("delete", "namespace", kube.namespace, "--wait=false")


def report(spec: Path) -> dict[str, Any]:
    """What the judge's program says, in the judge's pod, where Prometheus is reached."""
    judges = Kube("canario")
    container = judges.get("deployment", "judge")["spec"]["template"]["spec"]["containers"][0]
    prometheus = next(word for word in container["args"] if word.startswith("--prometheus="))
    program = ["python", "-m", "services.judge.shadow", "--spec=/dev/stdin", prometheus, "--json"]
    command = ["kubectl", "--namespace", judges.namespace, "exec", "-i", "deploy/judge", "--", *program]
    with spec.open(encoding="utf-8") as given:
        done = subprocess.run(command, stdin=given, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def test_a_planted_disagreement_is_found_in_its_slice(
    platform: None, beside: Kube, images: dict[str, Image], packages: dict[str, str], calling: Calling, tmp_path: Path
) -> None:
    package = packages["2"]
    fault = {"CANARIO_FAULT_SLICE": f"{_SLICE}:{_PLANTED}"}
    candidate = ShadowVersion(version="3", package=package, image=images[package], settings=fault)
    release = ClusterRelease(service=SERVICE, version="2", package=package, image=images[package], candidate=candidate)
    write_platform(tmp_path, route={"host": _HOST})
    spec = spec_with(tmp_path, strategy="shadow", shadow={"ratio": 1.0, "slices": ["contract"]})
    deploy(tmp_path, beside.namespace, spec, release)
    with calling(f"https://{_HOST}") as callers:
        beside.wait("the shadow is judged", lambda: report(spec)["verdict"] == "fail", _SECONDS)
        callers.stop()
        found = report(spec)
    assert {name: count.failed for name, count in callers.requests.items()} == {"2": 0}, callers.faults
    assert (found["champion"], found["candidate"]) == ("2", "3")
    assert _SLICE in found["reason"]
    first, *others = found["slices"]
    assert first["name"] == _SLICE
    assert first["lower"] <= _PLANTED <= first["upper"]
    assert first["lower"] > first["margin"]
    assert [part["hits"] for part in others] == [0, 0]


@pytest.mark.timeout(1200)  # three rollouts, each with a shadow or a canary of some minutes
def test_a_shadow_comes_before_the_canary(
    models: Kube, champion: None, environment: Environment, callers: Callers, packages: dict[str, str], tmp_path: Path
) -> None:
    """A good version passes the shadow and then the canary; a worse one is rolled back before any caller saw it.

    The first release under the strategy finds a champion that sends no copies, so it is judged as a canary.
    """
    package = packages["2"]
    spec = spec_with(tmp_path, strategy="shadow-then-canary", shadow={"ratio": 1.0}, **AT_ONCE)
    for number in ("21", "22"):
        environment.deploy(Version(number, package), "--follow", spec=spec)
        assert phase(models) == "Succeeded"
    environment.deploy(Version("23", package, {"CANARIO_FAULT_STALE_RATIO": "1"}), spec=spec)
    models.wait("the worse version is rolled back", lambda: phase(models) == "Failed", _SECONDS)
    callers.stop()
    assert {name: count.failed for name, count in callers.requests.items() if count.failed} == {}, callers.faults
    assert "23" not in callers.requests
    assert decided("21") == ["21: pass at 50 %"]
    assert decided("22") == ["22: pass at 0 %", "22: pass at 50 %"]
    (ended,) = decided("23")
    assert ended.startswith("23: fail at 0 %: ")
