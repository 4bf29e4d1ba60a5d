"""A cluster with a platform, played by a kubectl and a helm that answer from files and note what they are told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from k8s.platform.chart import CHART
from k8s.platform.controllers import read_controllers
from k8s.upgrade.controllers import wanted_values
from k8s.upgrade.preflight import chart_version
from tests.programs import program
from tests.repo.tree import ROOT

LOCAL = {one.name: one for one in read_controllers() if one.needed and one.local}
CHARTS = {name: one for name, one in LOCAL.items() if one.chart}
#: What changes something.
CHANGING = ("apply", "annotate", "create", "delete", "patch", "scale", "label", "upgrade", "rollback", "uninstall")


def judge(image: str) -> dict[str, Any]:
    """The judge's Deployment, and of it no more than is looked at."""
    pod = {"containers": [{"name": "judge", "image": image, "args": []}]}
    return {"kind": "Deployment", "metadata": {"name": "judge"}, "spec": {"template": {"spec": pod}}}


class PlatformThere:
    """The answers; `told` is what was asked so far, a line each."""

    def __init__(self, folder: Path) -> None:
        """A platform of the version before, whose controllers are as they should be."""
        self._folder = folder
        self.versions = {name: one.version for name, one in CHARTS.items()}
        for name, one in CHARTS.items():
            self.answer(f"values-{name}", json.dumps(wanted_values(one, local=True)))
        bundle = LOCAL["gateway-api"].version
        self.answer("crds", f"tlsroutes.gateway.networking.k8s.io v{bundle}\ncanaries.flagger.app \n")
        self.objects("pods")
        self.objects("canaries")
        self.objects("nodes")
        self.deployments()
        self.gateway("All")
        self.answer("manifest", yaml.safe_dump(judge("registry.example/judge:1")))
        self.answer("template", yaml.safe_dump(judge("registry.example/judge:2")))
        self.releases("0.1.0")
        annotations = {"canario/registry": "registry.local/canario"}
        self.answer(
            "rules", json.dumps({"kind": "Namespace", "metadata": {"name": "models", "annotations": annotations}})
        )
        (folder / "told").touch()
        program(folder, "kubectl", self._kubectl())
        program(folder, "helm", self._helm())

    def answer(self, name: str, text: str) -> None:
        """Keeps an answer."""
        (self._folder / name).write_text(text, encoding="utf-8")

    def read(self, name: str) -> str:
        """An answer that is kept."""
        return (self._folder / name).read_text(encoding="utf-8")

    def objects(self, name: str, *items: dict[str, Any]) -> None:
        """Keeps a list of objects."""
        self.answer(name, json.dumps({"items": items}))

    def deployments(self, **tags: str) -> None:
        """Keeps the controllers' Deployments, by the tags of their images."""
        usual = {name: one.version for name, one in LOCAL.items() if one.found_by.deployment} | tags
        items = []
        for name, tag in usual.items():
            pod = {"containers": [{"image": f"host/{name}:v{tag}"}]}
            items.append({"metadata": {"name": name}, "spec": {"template": {"spec": pod}}})
        self.objects("deployments", *items)
        self.answer("deployment-names", " ".join(usual))

    def gateway(self, namespaces: str, **annotations: str) -> None:
        """Keeps the Gateway, whose listener for plain HTTP takes routes from these namespaces."""
        listener = {"name": "web", "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": namespaces}}}
        status = {"conditions": [{"type": "Programmed", "status": "True", "observedGeneration": 1}]}
        metadata = {"name": "public", "generation": 1, "annotations": annotations}
        self.answer("gateway", json.dumps({"metadata": metadata, "spec": {"listeners": [listener]}, "status": status}))

    def releases(self, chart: str, **states: str) -> None:
        """Keeps Helm's releases, the platform's of this version of its chart."""
        listed = [
            {
                "name": name,
                "namespace": str(CHARTS[name].namespace),
                "chart": f"{name}-{self.versions[name]}",
                "revision": "1",
                "status": states.get(name, "deployed"),
            }
            for name in CHARTS
        ]
        listed.append({"name": "canario", "namespace": "canario", "chart": f"canario-{chart}", "revision": "4"})
        listed[-1]["status"] = states.get("canario", "deployed")
        self.answer("releases", json.dumps(listed))
        self.answer("states", "".join(f"1 {one['namespace']}/{one['name']} {one['status']}\n" for one in listed))

    def serve(self, phase: str = "Succeeded", image: str = "registry.local/canario/churn:1") -> None:
        """Keeps a champion of churn's."""
        labels = {"app": "churn-primary", "app.kubernetes.io/instance": "churn"}
        metadata = {"uid": "1", "namespace": "models", "labels": labels}
        status = {"containerStatuses": [{"restartCount": 0}]}
        self.objects("pods", {"metadata": metadata, "spec": {"containers": [{"image": image}]}, "status": status})
        self.objects("canaries", {"metadata": {"name": "churn", "namespace": "models"}, "status": {"phase": phase}})

    def told(self) -> list[str]:
        """What changed the cluster, without what was only tried."""
        lines = (self._folder / "told").read_text(encoding="utf-8").splitlines()
        return [line for line in lines if set(line.split()) & set(CHANGING) and "dry-run" not in line]

    def _kubectl(self) -> str:
        here = self._folder
        return f"""printf "kubectl %s\\n" "$*" >> {here}/told
case "$*" in
  *dry-run=server*) [ ! -f {here}/refusal ] || {{ cat {here}/refusal >&2; exit 1; }} ;;
  version*) echo '{{"serverVersion": {{"gitVersion": "v1.35.1"}}}}' ;;
  'kustomize '*) cat {here}/rules ;;
  *'get crds '*) cat {here}/crds ;;
  *'get helmreleases'*) [ ! -f {here}/in-git ] || cat {here}/in-git ;;
  *'get crd '*) echo there ;;
  *'get deployments -A -o json') cat {here}/deployments ;;
  *'get deployments '*) cat {here}/deployment-names ;;
  *'get secrets '*) cat {here}/states ;;
  *canaries*) cat {here}/canaries ;;
  *'get pods'*) cat {here}/pods ;;
  *'get nodes '*) cat {here}/nodes ;;
  *gateways*) cat {here}/gateway ;;
  *'get namespace models'*) [ ! -f {here}/models ] || cat {here}/models ;;
  *'get service traefik'*) echo service/traefik ;;
  *current-context*) echo other ;;
esac"""

    def _helm(self) -> str:
        here = self._folder
        return f"""printf "helm %s\\n" "$*" >> {here}/told
case "$1 $2" in
  'list '*) cat {here}/releases ;;
  'get values') cat {here}/values-$3 ;;
  'get manifest') cat {here}/manifest ;;
  'history '*) cat {here}/history ;;
  'template '*) cat {here}/template ;;
  'show crds') [ ! -f {here}/definitions ] || cat {here}/definitions ;;
esac"""


def tree(folder: Path, gateway: str = "{certificate: none}") -> Path:
    """A tree with the local environment alone, and what its gateway is to be."""
    shutil.copytree(ROOT / "k8s" / "envs" / "local", folder / "k8s" / "envs" / "local")
    file = folder / "k8s" / "envs" / "local" / "platform.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()
    kept = [line if not line.startswith("gateway:") else f"gateway: {gateway}" for line in lines]
    file.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return folder


def current() -> str:
    """The version of this tree's chart."""
    return chart_version(CHART)
