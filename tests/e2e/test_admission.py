"""The door of the models' namespace, kept by a real API server: good pods come in, each bad one hears its own reason.

It stands in a namespace of its own, under policies of its own names that are those of k8s/envs word for word.
"""

from __future__ import annotations

import copy
import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.kube import Kube, KubeError
from tests.helm.charts import DIGEST, rendered_text
from tests.repo.tree import ROOT

pytestmark = pytest.mark.e2e

IMAGE = f"registry.local/canario/churn@{DIGEST}"
KINDS = ("Pod", "Deployment")


@dataclass(frozen=True)
class Door:
    """One environment's policies in a namespace of their own."""

    kube: Kube

    def said(self, document: dict[str, Any]) -> str:
        """What the API server says of an object: the reason of a refusal, a warning, or nothing; it keeps none."""
        command = ["kubectl", "-n", self.kube.namespace, "create", "--dry-run=server", "-f", "-"]
        done = subprocess.run(command, input=json.dumps(document), capture_output=True, text=True, check=False)
        return ("refused: " if done.returncode else "") + done.stderr.strip()


def policies(environment: str, name: str) -> list[dict[str, Any]]:
    """The environment's own, renamed and bound to one namespace only."""
    text = Kube("default").run("kustomize", str(ROOT / "k8s" / "envs" / environment / "configs"))
    names = ("canario-models", "canario-digests")  # Those about signatures have a test of their own.
    found = [one for one in yaml.safe_load_all(text) if "Admission" in one["kind"] and one["metadata"]["name"] in names]
    for one in found:
        one["metadata"]["name"] += f"-{name}"
        if one["kind"].endswith("Binding"):
            one["spec"]["policyName"] += f"-{name}"
            one["spec"]["matchResources"]["namespaceSelector"]["matchLabels"] = {"canario/admission": name}
    assert len(found) == 4
    return found


def namespace(name: str, label: str, annotations: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"canario/admission": label}, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


@pytest.fixture(scope="module", params=["local", "staging", "production"])
def environment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def door(environment: str) -> Iterator[Door]:
    name = f"admission-{uuid.uuid4().hex[:8]}"
    kube = Kube(name)
    kube.apply(namespace(name, name, {"canario/registry": "registry.local/canario"}))
    rules = policies(environment, name)
    try:
        kube.apply(*rules)
        door = Door(kube)
        # A policy is in force some moments after it was written.
        kube.wait("the policy", lambda: "is not from" in door.said(pod(image=f"docker.io/x@{DIGEST}")), 60)
        kube.wait("the digests", lambda: "without its digest" in door.said(pod(image="registry.local/canario/x:1")), 60)
        yield door
    finally:
        for one in rules:
            kube.run("delete", one["kind"].lower(), one["metadata"]["name"], "--ignore-not-found", "--wait=false")
        kube.run("delete", "namespace", name, "--ignore-not-found", "--wait=false")


def pod(*, image: str = IMAGE, receipt: str | None = DIGEST) -> dict[str, Any]:
    """One that is good, but for what is given."""
    annotations = {} if receipt is None else {"canario/package": receipt}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "small", "annotations": annotations},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1034},
            "containers": [{"name": "server", "image": image}],
        },
    }


def as_kind(kind: str, one: dict[str, Any]) -> dict[str, Any]:
    """The pod itself, or a Deployment of it."""
    if kind == "Pod":
        return one
    template = {"metadata": {**one["metadata"], "labels": {"app": "small"}}, "spec": one["spec"]}
    template["metadata"].pop("name")
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "small"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "small"}, "spec": spec}


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_one_comes_in_without_a_word(door: Door, kind: str) -> None:
    assert door.said(as_kind(kind, pod())) == ""


def test_what_the_chart_makes_comes_in(door: Door, tmp_path: Path) -> None:
    release = {"image": {"repository": "registry.local/canario/churn", "digest": DIGEST}}
    objects = [one for one in yaml.safe_load_all(rendered_text(tmp_path, release, door.kube.namespace)) if one]
    asked = [one for one in objects if one["kind"] in KINDS]
    assert {one["kind"] for one in asked} == set(KINDS)
    for one in asked:
        one["metadata"].pop("namespace", None)
        assert door.said(one) == ""


def rooted(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    document = copy.deepcopy(pod())
    change(document["spec"])
    return document


BAD = {
    "another registry": (pod(image=f"docker.io/library/churn@{DIGEST}"), "is not from registry.local/canario"),
    "a registry whose name begins alike": (
        pod(image=f"registry.local/canario-too/churn@{DIGEST}"),
        "image registry.local/canario-too/churn@sha256:0101",
    ),
    "no receipt": (pod(receipt=None), "the annotation canario/package is missing or not a digest"),
    "a receipt that is none": (pod(receipt="version 3"), "the annotation canario/package is missing or not a digest"),
    "root, because nothing is said": (
        rooted(lambda spec: spec.pop("securityContext")),
        "container server may run as root; set runAsNonRoot to true",
    ),
    "root by number": (
        rooted(lambda spec: spec["securityContext"].update(runAsNonRoot=False, runAsUser=0)),
        "container server may run as root",
    ),
    "root in one container": (
        rooted(lambda spec: spec["containers"][0].update(securityContext={"runAsNonRoot": False})),
        "container server may run as root",
    ),
    "root in a container that starts first": (
        rooted(
            lambda spec: spec.update(
                initContainers=[{"name": "first", "image": IMAGE, "securityContext": {"runAsUser": 0}}]
            )
        ),
        "container first may run as root",
    ),
    "a stranger that starts first": (
        rooted(lambda spec: spec.update(initContainers=[{"name": "first", "image": f"docker.io/x@{DIGEST}"}])),
        f"image docker.io/x@{DIGEST} is not from registry.local/canario",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BAD)
def test_a_bad_one_is_refused_for_its_own_reason(door: Door, name: str, kind: str) -> None:
    document, reason = BAD[name]
    said = door.said(as_kind(kind, document))
    assert said.startswith("refused: ")
    assert reason in said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("image", ["registry.local/canario/churn:0123456789ab", "registry.local/canario/churn"])
def test_a_name_without_a_digest_is_refused_or_warned_about(
    door: Door, environment: str, kind: str, image: str
) -> None:
    """An image named without a digest is refused, or only warned about in the local environment."""
    said = door.said(as_kind(kind, pod(image=image)))
    assert f"image {image} is named without its digest" in said
    assert said.startswith("refused: ") == (environment != "local")


@pytest.fixture
def running(door: Door) -> Iterator[Kube]:
    """A good Deployment that is really there."""
    door.kube.apply(as_kind("Deployment", pod()))
    yield door.kube
    door.kube.run("delete", "deployment", "small", "--wait=false")


def test_what_is_there_cannot_be_changed_into_a_bad_one(running: Kube) -> None:
    with pytest.raises(KubeError, match="is not from registry"):
        running.run("set", "image", "deployment/small", f"server=docker.io/x@{DIGEST}")
    running.run("label", "deployment/small", "team=a")


def test_a_namespace_that_names_no_registry_takes_nothing(door: Door) -> None:
    bare = Kube(f"{door.kube.namespace}-bare")
    bare.apply(namespace(bare.namespace, door.kube.namespace, {}))
    try:
        bare.wait("its reason", lambda: "not from any registry that is allowed" in Door(bare).said(pod()), 30)
    finally:
        bare.run("delete", "namespace", bare.namespace, "--wait=false")


@pytest.mark.parametrize("name", ["canario-models", "canario-digests"])
def test_a_policys_expressions_are_well_typed(door: Door, name: str) -> None:
    def looked_at() -> dict[str, Any] | None:
        status = door.kube.get("validatingadmissionpolicy", f"{name}-{door.kube.namespace}").get("status", {})
        return dict(status) if status.get("observedGeneration") else None

    status = door.kube.wait("the type check", looked_at, 30)
    assert status.get("typeChecking", {}).get("expressionWarnings", []) == []
