"""Writes k8s/flux/controllers from k8s/controllers: the charts of the needed controllers, as Flux installs them.

    python -m k8s.platform.flux

The Gateway API's definitions and metrics-server are not charts there: a cloud's cluster may come with them, and
elsewhere `make platform` installs them before Flux.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from components.files import write_atomically
from k8s.platform.controllers import Chart, Controller, read_controllers

FILE = Path(__file__).resolve().parents[1] / "flux" / "controllers" / "releases.yaml"
_HEAD = "# Written by `make render` from k8s/controllers/controllers.yaml; change that.\n"


def text(controllers: Iterable[Controller]) -> str:
    """The file's content: a namespace, a repository and a release for each needed chart."""
    objects = [
        one
        for controller in controllers
        if controller.needed and controller.chart and controller.namespace
        for one in _objects(controller.name, controller.namespace, controller.chart)
    ]
    return _HEAD + yaml.safe_dump_all(objects, sort_keys=False, width=120)


def _objects(name: str, namespace: str, chart: Chart) -> Iterator[dict[str, Any]]:
    place = {"name": name, "namespace": namespace}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    yield {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "HelmRepository",
        "metadata": place,
        "spec": {"url": chart.repository, "interval": "24h"},
    }
    source = {"kind": "HelmRepository", "name": name}
    # Helm never updates existing CRDs, but a new version of a controller needs its own.
    crds = {"crds": "CreateReplace"}
    yield {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": dict(place),
        "spec": {
            "interval": "1h",
            "releaseName": name,
            "chart": {"spec": {"chart": chart.name, "version": chart.version, "sourceRef": source}},
            "install": crds,
            "upgrade": dict(crds),
            "values": chart.values,
        },
    }


def main() -> int:
    """Writes the file if it changed."""
    wanted = text(read_controllers())
    if not FILE.exists() or FILE.read_text(encoding="utf-8") != wanted:
        write_atomically(FILE, wanted)
        print(f"{FILE.relative_to(FILE.parents[3])} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
