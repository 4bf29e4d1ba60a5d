"""A candidate in the shadow: callers see nothing of it, and what it answers differently is found in its slice."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.releases.release_file import Image, ShadowVersion
from k8s.rendering.environment_files import ClusterRelease
from tests.e2e.conftest import Calling
from tests.e2e.kube import Kube
from tests.e2e.scenario import SERVICE, deploy, spec_with, write_platform

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
    with calling(host=_HOST) as callers:
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
