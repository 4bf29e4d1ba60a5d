"""The rules about signatures in the models' namespace, with signers of the tests' own, as long as a test needs them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from components.image.documents import Manifest
from components.image.image_name import ImageName
from components.image.image_signature import sign_image
from components.image.repository import open_repository
from components.releases.release_file import Image
from k8s.platform.installing import bring_controllers
from k8s.rendering.signature_rules import signature_rules
from tests.e2e.kube import Kube
from tests.repo.tree import ROOT

#: Kyverno's own namespace and Deployment.
ENGINE: Final = Kube("kyverno")
CONTROLLER: Final = "kyverno-admission-controller"
_ENVIRONMENT: Final = "staging"
#: Kinds of the rules that hold for the whole cluster; the namespace and its limits are there already.
_RULES: Final = ("ImageValidatingPolicy", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
_WEBHOOK: Final = ("validatingwebhookconfiguration", "kyverno-resource-validating-webhook-cfg")


@dataclass(frozen=True)
class SignedDoor:
    """The rules as k8s/envs/staging has them, in a copy of the tree whose signers may change."""

    root: Path
    kube: Kube

    def believe(self, signers: Mapping[str, str]) -> None:
        """Has these signers believed: names and public keys; the first signs."""
        document = {"signers": [{"name": name, "key": key} for name, key in signers.items()]}
        (self.root / "k8s" / "envs" / _ENVIRONMENT / "signers.yaml").write_text(yaml.safe_dump(document))
        for file, text in signature_rules(self.root, _ENVIRONMENT).items():
            (self.root / file).write_text(text)
        objects = {"apiVersion": "v1", "kind": "List", "items": self.rules()}
        self.kube.run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(objects))

    def rules(self) -> list[dict[str, Any]]:
        """The objects about signatures, as kustomize makes them."""
        configs = self.root / "k8s" / "envs" / _ENVIRONMENT / "configs"
        found = yaml.safe_load_all(self.kube.run("kustomize", str(configs)))
        wanted = ("canario-signatures", "canario-replicasets", "canario-glass", "canario-unchecked", _WEBHOOK[1])
        return [one for one in found if one["metadata"]["name"] in wanted]

    def said(self, document: dict[str, Any]) -> str:
        """What the API server says of an object: the reason of a refusal, a warning, or nothing; it keeps none."""
        command = ["kubectl", "-n", self.kube.namespace, "create", "--dry-run=server", "-f", "-"]
        done = subprocess.run(command, input=json.dumps(document), capture_output=True, text=True, check=False)
        return ("refused: " if done.returncode else "") + done.stderr.strip()

    def clear(self) -> None:
        """Takes the rules away."""
        for one in self.rules():
            if one["kind"] in _RULES:
                name = one["metadata"]["name"]
                self.kube.run("delete", one["kind"].lower(), name, "--ignore-not-found", "--wait=false")
        # Kyverno makes it anew where somebody had deleted it.
        self.kube.run("patch", *_WEBHOOK, "--type=merge", "--patch", json.dumps({"metadata": {"finalizers": None}}))


@contextmanager
def signed_door(root: Path, kube: Kube, signers: Mapping[str, str]) -> Iterator[SignedDoor]:
    """The rules in force, and the engine there."""
    bring_controllers(_ENVIRONMENT, [], print)
    for folder in ("k8s/configs", f"k8s/envs/{_ENVIRONMENT}"):
        shutil.copytree(ROOT / folder, root / folder)
    door = SignedDoor(root, kube)
    try:
        door.believe(signers)
        kube.wait("Kyverno's webhook", webhook, 120)
        yield door
    finally:
        door.clear()
        kube.run("label", "namespace", kube.namespace, "canario/glass-")
        kube.run("annotate", "namespace", kube.namespace, "canario/glass-")


def webhook() -> dict[str, Any] | None:
    """Kyverno's webhook of our policy; None while it has none."""
    found = ENGINE.get(*_WEBHOOK) or {}
    named = [
        one for one in found.get("webhooks") or () if one["clientConfig"]["service"]["path"].endswith("signatures")
    ]
    return named[0] if named else None


def scale_engine(replicas: int) -> None:
    """Has so many replicas of Kyverno run, and waits until it is so."""
    ENGINE.run("scale", f"deployment/{CONTROLLER}", f"--replicas={replicas}")
    ENGINE.wait("the engine's replicas", lambda: _ready() == replicas, 180)


def _ready() -> int:
    pods = ENGINE.get("pods", "--selector", "app.kubernetes.io/component=admission-controller")
    conditions = [one for pod in pods for one in pod.get("status", {}).get("conditions", ())]
    ready = sum(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready if ready or not pods else -1


def variant(image: Image, mark: str, key: Path | None = None) -> Image:
    """The image with another manifest, so with another digest: the same layers, and a signature only by `key`."""
    name = ImageName.parse(f"{image.repository}@{image.digest}")
    repository = open_repository(name)
    manifest = repository.manifest(image.digest)
    assert manifest is not None
    document = manifest.document | {"annotations": {"canario.test": mark}}
    changed = Manifest(json.dumps(document).encode(), manifest.media_type)
    repository.put_manifest(changed, f"{mark}-{changed.digest.removeprefix('sha256:')[:12]}")
    if key:
        sign_image(replace(name, digest=changed.digest), key)
    return image.model_copy(update={"digest": changed.digest, "tag": ""})


def pod(image: Image, package: str, name: str = "small") -> dict[str, Any]:
    """A pod as the other rules want it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": {"canario/package": package}},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1034,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "server",
                    "image": f"{image.repository}@{image.digest}",
                    "command": ["sleep", "3600"],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def as_kind(kind: str, one: dict[str, Any], replicas: int = 0) -> dict[str, Any]:
    """The pod itself, or a Deployment or ReplicaSet of it."""
    if kind == "Pod":
        return one
    labels = {"app": one["metadata"]["name"]}
    template = {"metadata": {"annotations": one["metadata"]["annotations"], "labels": labels}, "spec": one["spec"]}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": labels["app"]}, "spec": spec}
