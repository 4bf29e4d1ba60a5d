"""No image comes in that nobody of the environment signed, and what runs does not need who looks at signatures.

The rules are those of k8s/envs/staging, with keys of the tests' own. The tests build on each other, in their order.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.image.image_name import ImageName
from components.image.image_signature import sign_image
from components.releases.release_file import Image, release_file, release_text
from k8s.rendering.environment_files import ClusterRelease
from tests.e2e.callers import Callers
from tests.e2e.conftest import Calling
from tests.e2e.kube import Kube, KubeError
from tests.e2e.observed import phase, replicas
from tests.e2e.scenario import CALLERS, DEMO, ROOT, SERVICE, deploy, write_platform
from tests.e2e.signed_door import SignedDoor, as_kind, pod, scale_engine, signed_door, variant, webhook
from tests.signing_keys import Keys, write_keys

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

KINDS = ("Pod", "Deployment")
CHAMPION = f"{SERVICE}-primary"


@dataclass(frozen=True)
class Signed:
    """One image in four ways, and the package in all of them."""

    package: str
    good: Image
    by_the_old_key: Image
    unsigned: Image
    by_a_stranger: Image
    changed: Image


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Keys]:
    return {name: write_keys(tmp_path_factory.mktemp(name)) for name in ("new", "old", "stranger")}


@pytest.fixture(scope="module")
def signed(images: dict[str, Image], packages: dict[str, str], pairs: dict[str, Keys]) -> Signed:
    package = packages["1"]
    good = images[package]
    sign_image(ImageName.parse(f"{good.repository}@{good.digest}"), pairs["new"].private)
    return Signed(
        package,
        good,
        variant(good, "old", pairs["old"].private),
        variant(good, "unsigned"),
        variant(good, "stranger", pairs["stranger"].private),
        variant(good, "changed"),
    )


@pytest.fixture(scope="module")
def door(models: Kube, pairs: dict[str, Keys], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignedDoor]:
    with signed_door(tmp_path_factory.mktemp("door"), models, {"new": pairs["new"].public}) as door:
        yield door


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with the environment local, whose releases these are."""
    root = tmp_path_factory.mktemp("environment")
    write_platform(root, callers=[CALLERS])
    return root


def release(signed: Signed, version: str, image: Image) -> ClusterRelease:
    return ClusterRelease(service=SERVICE, version=version, package=signed.package, image=image)


@pytest.fixture(scope="module")
def served(door: SignedDoor, root: Path, signed: Signed, models: Kube) -> None:
    """A champion whose image was looked at when it came."""
    deploy(root, models.namespace, DEMO / "service.yaml", release(signed, "1", signed.good))


def report(root: Path, out: Path, wanted: ClusterRelease) -> tuple[int, str]:
    """The exit status and the comment of a release's report, as the workflow makes it."""
    (root / release_file("local", SERVICE)).write_text(release_text(wanted), encoding="utf-8")
    command = [sys.executable, "-m", "k8s.deploy.rollout_report", "--spec", str(DEMO / "service.yaml")]
    command += ["--env", "local", "--commit", "c" * 40, "--out", str(out), "--root", str(root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, (out / "comment.md").read_text(encoding="utf-8")


def test_the_api_server_itself_decides_what_is_new(door: SignedDoor) -> None:
    """Otherwise each pod of a Deployment would wait for Kyverno."""
    found = webhook()
    assert found is not None
    assert found["failurePolicy"] == "Fail"
    assert [one["name"] for one in found["matchConditions"]] == ["another-image", "not-of-a-deployment"]
    status = door.kube.get("validatingadmissionpolicy", "canario-signatures")["status"]
    assert status.get("typeChecking", {}).get("expressionWarnings", []) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_image_comes_in_without_a_word(door: SignedDoor, signed: Signed, kind: str) -> None:
    assert door.said(as_kind(kind, pod(signed.good, signed.package))) == ""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["unsigned", "by_a_stranger", "changed", "by_the_old_key"])
def test_another_is_refused_with_a_reason(door: SignedDoor, signed: Signed, kind: str, which: str) -> None:
    image: Image = getattr(signed, which)
    said = door.said(as_kind(kind, pod(image, signed.package)))
    assert said.startswith("refused: ")
    assert f"image {image.repository}@{image.digest} has no valid signature by new; staging requires one" in said


def test_nobody_makes_a_replicaset_of_an_unsigned_image(door: SignedDoor, signed: Signed) -> None:
    said = door.said(as_kind("ReplicaSet", pod(signed.unsigned, signed.package), 1))
    assert "only a Deployment may create a ReplicaSet here" in said


def test_while_two_keys_are_believed_both_come_in(door: SignedDoor, signed: Signed, pairs: dict[str, Keys]) -> None:
    """And when the old one is taken away, what it signed is refused again."""
    old = as_kind("Deployment", pod(signed.by_the_old_key, signed.package))
    door.believe({name: pairs[name].public for name in ("new", "old")})
    door.kube.wait("the old key is believed", lambda: door.said(old) == "", 60)
    assert door.said(as_kind("Deployment", pod(signed.good, signed.package))) == ""
    assert "has no valid signature by new or old" in door.said(pod(signed.by_a_stranger, signed.package))
    door.believe({"new": pairs["new"].public})
    door.kube.wait(
        "the old key is not believed any more", lambda: "has no valid signature by new;" in door.said(old), 60
    )


def test_a_canary_that_is_not_signed_never_begins(
    served: None, root: Path, signed: Signed, models: Kube, tmp_path: Path
) -> None:
    """The release's report has the reason, and the champion keeps serving."""
    for number, image in (("2", signed.by_a_stranger), ("3", signed.unsigned), ("4", signed.changed)):
        status, comment = report(root, tmp_path / number, release(signed, number, image))
        assert status == 1
        assert f"churn version {number} in local: the cluster did not take it" in comment
        assert "The cluster said:" in comment
        assert f"image {image.repository}@{image.digest} has no valid signature by new" in comment
    assert phase(models) == "Initialized"
    assert replicas(models, CHAMPION) >= 1


@pytest.fixture(scope="module")
def away(served: None) -> Iterator[None]:
    """Nobody looks at signatures."""
    before = 1
    scale_engine(0)
    yield
    scale_engine(before)


def test_what_runs_goes_on_and_scales_while_the_engine_is_away(
    away: None, models: Kube, signed: Signed, calling: Calling
) -> None:
    callers: Callers = calling()
    with callers:
        models.wait("an answer", lambda: callers.look() and "1" in callers.requests, 60)
        autoscaler = models.get("hpa", CHAMPION)
        more = autoscaler["spec"]["minReplicas"] + 1
        models.run("delete", "pods", "--selector", f"app={CHAMPION}", "--wait=false")
        models.run("patch", "hpa", CHAMPION, "--type=merge", "-p", f'{{"spec": {{"minReplicas": {more}}}}}')
        models.wait("more replicas than before", lambda: replicas(models, CHAMPION) >= more, 180)
    models.run("set", "env", f"deployment/{CHAMPION}", "LOOKED_AT=before")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["good", "unsigned"])
def test_no_new_image_comes_in_while_the_engine_is_away(
    away: None, door: SignedDoor, signed: Signed, kind: str, which: str
) -> None:
    said = door.said(as_kind(kind, pod(getattr(signed, which), signed.package)))
    assert said.startswith("refused: ")
    assert "canario-signatures" in said or "failed calling webhook" in said


def test_a_glass_is_not_broken_without_a_trace(away: None, models: Kube) -> None:
    with pytest.raises(KubeError, match="the annotation canario/glass has to say who"):
        models.run("label", "namespace", models.namespace, "canario/glass=broken")


def glass(*options: str) -> str:
    command = [sys.executable, "-m", "k8s.cluster.glass", "--namespace", "models", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_through_a_broken_glass_an_image_comes_with_a_trace(
    away: None, door: SignedDoor, models: Kube, signed: Signed, root: Path, tmp_path: Path
) -> None:
    said = glass("--reason", "an outage of the tests")
    assert "an outage of the tests" in said
    new = as_kind("Deployment", pod(signed.unsigned, signed.package))
    models.wait("the glass is broken", lambda: not door.said(new).startswith("refused: "), 30)
    assert "the signature of this image was not checked: the glass is broken by" in door.said(new)
    _, comment = report(root, tmp_path, release(signed, "1", signed.good))
    assert "No signature was checked, the glass is:" in comment
    assert "an outage of the tests" in comment
    glass("--mend")
    models.wait("the glass is whole", lambda: door.said(new).startswith("refused: "), 30)
    metadata = models.get("namespace", models.namespace)["metadata"]
    assert "an outage of the tests; mended by" in metadata["annotations"]["canario/glass"]
    events = models.get("events", "--field-selector", "involvedObject.kind=Namespace")
    assert {"GlassBroken", "GlassMended"} <= {one["reason"] for one in events}


def test_when_the_engine_is_back_all_is_as_before(door: SignedDoor, signed: Signed) -> None:
    """It stands behind the tests for which the engine is away, and brings it back itself."""
    scale_engine(1)
    good, bad = (as_kind("Deployment", pod(one, signed.package)) for one in (signed.good, signed.unsigned))
    door.kube.wait("a signed image comes in", lambda: door.said(good) == "", 120)
    assert "has no valid signature by new" in door.said(bad)
