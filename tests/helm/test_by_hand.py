"""What the charts' READMEs say of an installation by hand is what helm takes, with the images of the named registry."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from k8s.cluster.helm import CHART
from tests.helm import platform_chart
from tests.helm.charts import OTHER_DIGEST, helm, invalid
from tests.repo.tree import ROOT

pytestmark = pytest.mark.charts


def command(readme: Path) -> list[str]:
    """The words of the README's helm command, as one that renders; paths lead into this tree."""
    (line,) = re.findall(r"^    helm upgrade --install (.+)$", readme.read_text(encoding="utf-8"), re.MULTILINE)
    words = shlex.split(line.replace("sha256:...", OTHER_DIGEST))
    return ["template", *(str(ROOT / word) if word.startswith("helm/") else word for word in words)]


def images(manifests: str) -> set[str]:
    return set(re.findall(r"^ +image: \"?([^\"\n]+)", manifests, re.MULTILINE))


def test_the_platform_by_hand_comes_from_the_named_registry() -> None:
    manifests = helm(*command(platform_chart.CHART / "README.md"))
    assert invalid(manifests) == []
    assert images(manifests) == {f"host/folder/judge@{OTHER_DIGEST}"}


def test_a_model_by_hand_comes_from_the_named_registry(tmp_path: Path) -> None:
    readme = CHART / "README.md"
    (block,) = re.findall(r"^    # values.yaml\n((?:    .+\n)+)", readme.read_text(encoding="utf-8"), re.MULTILINE)
    values = tmp_path / "values.yaml"
    values.write_text(re.sub("^    ", "", block, flags=re.MULTILINE), encoding="utf-8")
    manifests = helm(*(str(values) if word == "values.yaml" else word for word in command(readme)))
    assert invalid(manifests) == []
    assert images(manifests) == {"host/folder/churn@sha256:" + "0" * 64}
