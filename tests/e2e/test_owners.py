"""Definitions that somebody else manages, as a cloud or a bank's platform team does, are not overwritten."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.errors import ClusterError
from k8s.platform.installing import found_in_cluster
from k8s.platform.owners import HELM, apply_unowned, obstacle
from tests.e2e.kube import Kube

pytestmark = pytest.mark.e2e

KUBE = Kube("default")
BUNDLE = "gateway.networking.k8s.io/bundle-version"


def definition(group: str, plural: str, version: str, served: str) -> dict[str, Any]:
    """A definition as the Gateway API has them: its bundle's version, and the version that is served."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": {BUNDLE: version}},
        "spec": {
            "group": group,
            "names": {"kind": plural[:-1].capitalize(), "plural": plural},
            "scope": "Namespaced",
            "versions": [{"name": served, "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.fixture
def group() -> Iterator[str]:
    """A group of definitions of its own, so that the test leaves those of the cluster alone."""
    name = f"e{uuid.uuid4().hex[:8]}.canario.invalid"
    yield name
    for plural in ("doors", "windows"):
        KUBE.run("delete", "crd", f"{plural}.{name}", "--ignore-not-found")


def written(folder: Path, *definitions: dict[str, Any]) -> str:
    file = folder / "install.yaml"
    file.write_text(yaml.safe_dump_all(definitions))
    return str(file)


def test_nothing_of_a_set_that_others_manage_is_changed(group: str, tmp_path: Path) -> None:
    older = written(tmp_path, definition(group, "doors", "v1.2.1", "v1beta1"))
    KUBE.run("apply", "--server-side", "--field-manager=cloud-add-ons", "--filename", older)
    newer = (definition(group, plural, "v1.6.3", "v1") for plural in ("windows", "doors"))
    with pytest.raises(ClusterError, match=r"managed by cloud-add-ons\."):
        apply_unowned("doors", "--filename", written(tmp_path, *newer))
    found = found_in_cluster()
    assert found.bundles[f"doors.{group}"] == "v1.2.1"
    assert f"windows.{group}" not in found.crds, "half of the set was applied"


def test_a_set_of_our_own_is_brought_to_the_newer_version(group: str, tmp_path: Path) -> None:
    for version in ("v1.2.1", "v1.6.3"):
        apply_unowned("doors", "--filename", written(tmp_path, definition(group, "doors", version, "v1")))
        assert found_in_cluster().bundles[f"doors.{group}"] == version


def test_what_a_helm_release_brought_is_taken_over(group: str, tmp_path: Path) -> None:
    """Helm installs a chart's definitions and never upgrades them; where the release is ours, so are they."""
    older = written(tmp_path, definition(group, "doors", "v1.2.1", "v1"))
    KUBE.run("apply", "--server-side", "--field-manager=helm", "--filename", older)
    newer = written(tmp_path, definition(group, "doors", "v1.6.3", "v1"))
    assert "managed by helm." in obstacle("doors", "--filename", newer)
    assert obstacle("doors", "--filename", newer, HELM) == ""
    assert found_in_cluster().bundles[f"doors.{group}"] == "v1.2.1", "it was only asked"
    apply_unowned("doors", "--filename", newer, HELM)
    assert found_in_cluster().bundles[f"doors.{group}"] == "v1.6.3"


def test_a_version_in_which_objects_are_stored_does_not_go(group: str, tmp_path: Path) -> None:
    apply_unowned("doors", "--filename", written(tmp_path, definition(group, "doors", "v1.2.1", "v1beta1")))
    next_one = written(tmp_path, definition(group, "doors", "v1.6.3", "v1"))
    said = obstacle("doors", "--filename", next_one)
    assert said.startswith("doors: the API server refuses its next version: ")
    assert "v1beta1 was previously a storage version" in said
    assert obstacle("doors", "--filename", written(tmp_path, definition(group, "doors", "v1.2.1", "v1beta1"))) == ""
