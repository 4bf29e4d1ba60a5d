"""The chart canario, rendered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.helm.charts import helm
from tests.repo.tree import ROOT

CHART = ROOT / "helm" / "canario"
_USUAL = {"registry": "registry.local/canario", "gateway": {"certificateFor": "*.example.com"}}


def template(folder: Path, values: dict[str, Any]) -> str:
    """Every object as one YAML text, with these values; the values are left in the folder.

    Unless they say otherwise, the images are such as were built here, and the gateway has a certificate.
    """
    file = folder / "values.yaml"
    file.write_text(json.dumps({**_USUAL, **values}), encoding="utf-8")
    return helm("template", "canario", str(CHART), "-n", "canario", "-f", str(file))


def objects(folder: Path, values: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The objects by their kind, and their name followed by their namespace."""
    documents = [one for one in yaml.safe_load_all(template(folder, values)) if one]
    return {(one["kind"], one["metadata"]["name"] + one["metadata"].get("namespace", "")): one for one in documents}
