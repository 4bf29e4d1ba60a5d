"""Installs the controllers that a cluster lacks."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from k8s.cluster.kubectl import kubectl
from k8s.cluster.program import run
from k8s.errors import ClusterError
from k8s.platform.controllers import Chart, Controller, Found, missing, read_controllers, told
from k8s.platform.owners import HELM, apply_unowned, obstacle

#: Helm's own wait for a chart's pods, and the extra time for it to fetch the chart and to give up.
_WAIT_SECONDS: Final = 300
_SLACK_SECONDS: Final = 60
#: The environment of a local cluster, made by `make cluster`.
_LOCAL: Final = "local"
#: Helm keeps each state of a release in a secret with these labels; reading the secrets needs no helm on the PATH.
_RELEASES: Final = (
    "jsonpath={range .items[*]}{.metadata.labels.version} {.metadata.namespace}/{.metadata.labels.name} "
    '{.metadata.labels.status}{"\\n"}{end}'
)
#: The name of each definition and, where it is one of the Gateway API, the version of its bundle.
_DEFINITIONS: Final = (
    "jsonpath={range .items[*]}{.metadata.name} "
    '{.metadata.annotations.gateway\\.networking\\.k8s\\.io/bundle-version}{"\\n"}{end}'
)


def bring_controllers(environment: str, asked: Sequence[str], say: Callable[[str], None]) -> None:
    """Installs the missing ones among the controllers that are needed or requested by name.

    Raises:
        DeployError: a requested controller is not known, or an installation failed.
    """
    found, local = found_in_cluster(), environment == _LOCAL
    lacking = list(missing(read_controllers(), found, asked, local=local))
    for controller in lacking:
        wreck = found.wreck(controller)
        if wreck.startswith("pending-"):
            raise ClusterError(f"{pending_advice(controller.name, str(controller.namespace), wreck)}, then again")
        say(f"{controller.name}: {told(controller, found)}; is being installed")
        bring_controller(controller, local=local)
    say("controllers: all are there" if not lacking else f"controllers: {len(lacking)} were installed")


def pending_advice(name: str, namespace: str, state: str) -> str:
    """The advice for a pending release: Helm refuses it, and only a person knows if another helm still works on it."""
    word = "uninstall" if state == "pending-install" else "rollback"
    return (
        f"{name}: its release is {state}, so another helm is at it, or was killed; wait for it, or "
        f"`helm {word} {name} --namespace {namespace}`"
    )


def found_in_cluster() -> Found:
    """What the API server says is there."""
    rows = [line.split() for line in kubectl("get", "crds", "-o", _DEFINITIONS).splitlines() if line.strip()]
    bundles = {name: version for name, *versions in rows for version in versions}
    deployments = kubectl("get", "deployments", "-A", "-o", "jsonpath={.items[*].metadata.name}")
    states = kubectl("get", "secrets", "-A", "--selector", "owner=helm", "-o", _RELEASES)
    newest_last = sorted((line.split() for line in states.splitlines()), key=lambda row: int(row[0]))
    releases = {name: state for _, name, state in newest_last}
    return Found(frozenset(name for name, *_ in rows), frozenset(deployments.split()), releases, bundles)


def bring_controller(controller: Controller, *, local: bool) -> None:
    """Installs a controller, or brings it to the version and the values that it is to have.

    Raises:
        ClusterError: others manage a part of it, or it is refused or not ready in time.
    """
    if controller.chart is not None and controller.namespace is not None:
        _bring_chart(controller.name, controller.namespace, controller.chart, local=local)
        return
    with _manifests(controller, local=local) as manifests:
        for option, what in manifests:
            apply_unowned(controller.name, option, what)


def bring_definitions(controller: Controller) -> None:
    """Brings the definitions that are in a controller's chart to its version: Helm only ever installs them.

    Raises:
        ClusterError: others manage a part of them, or they are refused.
    """
    if controller.chart is None:
        return
    with _definitions(controller.chart) as file:
        if file:
            apply_unowned(controller.name, "--filename", file, HELM)
            kubectl("wait", "--for=condition=Established", "--timeout=60s", "--filename", file)


def obstacles_to(controller: Controller, *, local: bool) -> list[str]:
    """Why the API server would not take the next definitions of a controller that is there; asked without a change.

    One reason is a version of an API that goes, while objects are still stored in it.

    Raises:
        ClusterError: the definitions are not reached.
    """
    if controller.chart:
        with _definitions(controller.chart) as file:
            return [said for said in [obstacle(controller.name, "--filename", file, HELM) if file else ""] if said]
    with _manifests(controller, local=local) as manifests:
        return [said for option, what in manifests if (said := obstacle(controller.name, option, what))]


@contextmanager
def _manifests(controller: Controller, *, local: bool) -> Iterator[list[tuple[str, str]]]:
    """Options and places for kubectl; manifests together with their patches, so that no object exists unpatched."""
    if not (local and controller.local_patches):
        yield [
            *(("--filename", manifest) for manifest in controller.manifests),
            *(("--kustomize", folder) for folder in controller.kustomizations),
        ]
        return
    with tempfile.TemporaryDirectory(prefix="canario-platform-") as folder:
        wanted = {"resources": controller.manifests, "patches": controller.local_patches}
        (Path(folder) / "kustomization.yaml").write_text(json.dumps(wanted), encoding="utf-8")
        yield [("--kustomize", folder)]


@contextmanager
def _definitions(chart: Chart) -> Iterator[str]:
    """The file of a chart's definitions; empty if it has none of its own."""
    place = ("--repo", chart.repository, "--version", chart.version)
    text = run(["helm", "show", "crds", chart.name, *place], _SLACK_SECONDS)
    with tempfile.TemporaryDirectory(prefix="canario-platform-") as folder:
        file = Path(folder) / "definitions.yaml"
        file.write_text(text, encoding="utf-8")
        yield str(file) if text.strip() else ""


def _bring_chart(name: str, namespace: str, chart: Chart, *, local: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="canario-platform-") as folder:
        files = [Path(folder) / "values.yaml", Path(folder) / "local.yaml"]
        for file, values in zip(files, (chart.values, chart.local_values if local else {}), strict=True):
            file.write_text(json.dumps(values), encoding="utf-8")
        command = ["helm", "upgrade", "--install", name, chart.name, "--repo", chart.repository]
        command += ["--version", chart.version, "--namespace", namespace, "--create-namespace"]
        command += [option for file in files for option in ("--values", str(file))]
        command += ["--wait", "--timeout", f"{_WAIT_SECONDS}s"]
        run(command, _WAIT_SECONDS + _SLACK_SECONDS)
