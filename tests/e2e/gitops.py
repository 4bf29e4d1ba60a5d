"""Two environments in one cluster, each a namespace with a judge of its own; Flux follows both in one repository."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from components.git.repository import Commit
from components.releases.release_file import Image
from k8s.rendering.environment_files import ClusterRelease
from k8s.rendering.gateway import CLASS, HTTP, OURS, PORTS
from k8s.rendering.platform_values import PLATFORM
from k8s.rendering.render import platform_objects, release_changes, rendered_file
from tests.e2e.git_server import PORT, GitServer
from tests.e2e.git_source import FLUX, published
from tests.e2e.kube import Kube
from tests.e2e.scenario import DEMO, REGISTRY, ROOT, SERVICE, Version
from tests.k8s.followed import ENVIRONMENTS, texts_of, write_tree

#: One step of half the traffic and wide margins: what the statistics can do is shown elsewhere, this has to be quick.
ROLLOUT = {
    "step_weight": 50,
    "max_weight": 50,
    "interval_seconds": 10,
    "harm": {"error_ratio": 0.05, "slow_ratio": 0.3, "score_shift": 0.3, "label_loss": 0.3},
}


_MINE = {"canario/test": "gitops"}
#: The environments' Gateway, in the namespace of the public one.
GATEWAY = "gitops"


@dataclass(frozen=True)
class GitOps:
    """The tree of the repository on this machine, and the server that has it."""

    root: Path
    server: GitServer
    images: Mapping[str, Image]
    source: Mapping[str, str] = field(default_factory=dict)

    def begin(self, environment: str) -> None:
        """Has Flux follow an environment."""
        FLUX.apply(*_syncs(self.root, environment, self.source))

    def kube(self, environment: str) -> Kube:
        """The namespace of an environment."""
        return Kube(f"gitops-{environment}")

    def host(self, environment: str) -> str:
        """Where callers of an environment find the service at the gateway."""
        return f"{SERVICE}.{environment}.gitops.local"

    def changes(self, environment: str, version: Version) -> dict[str, str]:
        """What a release of a version writes."""
        image = self.images[version.package]
        release = ClusterRelease(
            service=SERVICE, version=version.number, package=version.package, image=image, settings=version.settings
        )
        return release_changes(self.root, environment, release)

    def merge(self, environment: str, version: Version) -> Commit:
        """Commits a release to the branch that everything follows."""
        texts = self.changes(environment, version)
        _write(self.root, texts)
        return self.server.commit(texts, f"{SERVICE}: release version {version.number} to {environment}")

    def deploy(self, environment: str) -> subprocess.CompletedProcess[str]:
        """Asks to deploy by hand, as `make deploy` does."""
        spec = self.root / "services" / SERVICE / "service.yaml"
        return _python("k8s.deploy", "--spec", str(spec), "--env", environment, "--root", str(self.root))

    def promote(self, *more: str) -> subprocess.CompletedProcess[str]:
        """Asks to promote from staging to production, as `make promote` does."""
        with self.server.reached() as (_, url):
            places = ("--from", "staging", "--to", "production", "--repository", url)
            namespace = ("--namespace", self.kube("staging").namespace)
            return _python("k8s.release.promote", "--service", SERVICE, *places, *namespace, *more)

    @contextmanager
    def verdict(self, environment: str, commit: Commit, out: Path) -> Iterator[subprocess.Popen[str]]:
        """Follows a merged release to its end, as the workflow does; the command runs meanwhile."""
        spec = self.root / "services" / SERVICE / "service.yaml"
        command = [sys.executable, "-m", "k8s.deploy.rollout_report", "--spec", str(spec), "--env", environment]
        command += ["--commit", commit.id, "--out", str(out), "--root", str(self.root), "--timeout-seconds", "300"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=subprocess.STDOUT, text=True) as running:
            try:
                yield running
            finally:
                running.kill()

    def reconcile(self, environment: str) -> None:
        """Has Flux compare the cluster with Git now, and waits until it has."""
        name = f"{environment}-canario-workloads"
        before = _handled(name)
        word = f"reconcile.fluxcd.io/requestedAt=after {before or 'nothing'}"
        FLUX.run("annotate", "--overwrite", "kustomization", name, word)
        FLUX.wait("a reconciliation", lambda: _handled(name) != before and _is_ready(name), 60)


@contextmanager
def environments(
    root: Path,
    judge: Image,
    images: Mapping[str, Image],
    server: GitServer,
    first: Version | None = None,
    platform: Mapping[str, Any] | None = None,
) -> Iterator[GitOps]:
    """A repository with both environments; what Flux makes of it is gone afterwards.

    `first`, if there is one, is released to both; `platform` has more values of the platform's chart.
    """
    _write_files(write_tree(root), judge, server, platform or {})
    gitops = GitOps(root, server, images)
    for environment in ENVIRONMENTS:
        _write(root, {rendered_file(environment, PLATFORM): _platform(root, environment)})
        if first:
            _write(root, gitops.changes(environment, first))
    server.commit(texts_of(root), "Begin with two environments")
    Kube(OURS.namespace).apply(_gateway())
    with published(server, "gitops") as source:
        try:
            yield replace(gitops, source=source)
        finally:
            _clear()


def _write_files(root: Path, judge: Image, server: GitServer, platform: Mapping[str, Any]) -> None:
    spec = yaml.safe_load((DEMO / "service.yaml").read_text(encoding="utf-8"))
    spec["rollout"] |= ROLLOUT
    # A promotion reads here which registry both admit: the one that has the images.
    base = "k8s/configs/namespaces.yaml"
    admitted = (root / base).read_text(encoding="utf-8").replace("registry.local/canario", REGISTRY)
    _write(root, {f"services/{SERVICE}/service.yaml": yaml.safe_dump(spec, sort_keys=False), base: admitted})
    for environment in ENVIRONMENTS:
        namespace, folder = f"gitops-{environment}", f"k8s/envs/{environment}"
        values = {
            "faults": "allowed",
            "resources": {"cpu": "50m"},
            "startupSeconds": 180,
            "judge": {"url": f"http://judge.{namespace}"},
            "route": {"gateway": {"name": GATEWAY}},
        }
        where = {"domain": f"{environment}.gitops.local", "namespace": namespace}
        canario = {
            "judge": {"image": judge.model_dump(), "replicas": 1},
            "namespaces": [namespace],
            "environment": {"url": server.url, "port": PORT},
            "prometheus": {"scrapeSeconds": 2},
            **platform,
        }
        # The door is for models alone, and the judge is here, too.
        metadata = {"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
        documents = {
            "platform.yaml": {**where, "max_replicas": 2, "values": values},
            "canario.yaml": canario,
            "configs/kustomization.yaml": {"resources": ["namespace.yaml"]},
            "configs/namespace.yaml": {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata},
        }
        _write(root, {f"{folder}/{name}": yaml.safe_dump(one) for name, one in documents.items()})


def _gateway() -> dict[str, Any]:
    """A Gateway of the environments' own, for plain HTTP: two domains share this cluster, and have no certificate."""
    listener = {
        "name": "plain",
        "protocol": "HTTP",
        "port": PORTS[HTTP],
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": GATEWAY, "namespace": OURS.namespace},
        "spec": {"gatewayClassName": CLASS, "listeners": [listener]},
    }


def _platform(root: Path, environment: str) -> str:
    return platform_objects(root, environment, f"gitops-{environment}")


def _syncs(root: Path, environment: str, source: Mapping[str, str]) -> list[dict[str, Any]]:
    """The Kustomizations of an environment, under names of their own; controllers are there."""
    made = Kube("default").run("kustomize", str(root / "k8s" / "envs" / environment / "flux"))
    syncs = [one for one in yaml.safe_load_all(made) if one["kind"] == "Kustomization"]
    kept = [one for one in syncs if one["metadata"]["name"] != "canario-controllers"]
    for one in kept:
        one["metadata"]["name"] = f"{environment}-{one['metadata']['name']}"
        before = [f"{environment}-{each['name']}" for each in one["spec"].pop("dependsOn", ())]
        one["spec"]["dependsOn"] = [{"name": name} for name in before if not name.endswith("-controllers")]
        one["metadata"]["labels"] |= _MINE
        one["spec"] |= {"sourceRef": dict(source), "retryInterval": "5s"}
    return kept


def _clear() -> None:
    spaces = [f"gitops-{environment}" for environment in ENVIRONMENTS]
    try:
        mine = ",".join(f"{key}={value}" for key, value in _MINE.items())
        FLUX.run("delete", "kustomizations", "--selector", mine, "--ignore-not-found", "--timeout=120s")
    finally:
        Kube(OURS.namespace).run("delete", "gateway", GATEWAY, "--ignore-not-found")
        FLUX.run("delete", "namespaces", *spaces, "--ignore-not-found", "--timeout=180s")


def _handled(name: str) -> str:
    return str(FLUX.get("kustomization", name)["status"].get("lastHandledReconcileAt", ""))


def _is_ready(name: str) -> bool:
    conditions = FLUX.get("kustomization", name)["status"]["conditions"]
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _write(root: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def _python(module: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
