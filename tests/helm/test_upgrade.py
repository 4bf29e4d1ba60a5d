"""Releases of the charts of an earlier commit are upgraded to these: nothing immutable changes, nothing is orphaned."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.errors import GitError
from components.git.command import git
from k8s.cluster.helm import CHART
from k8s.platform.chart import rendered as environment_objects
from k8s.upgrade.objects import compare
from services.judge.webhook import payload_of
from tests.helm.charts import SCENARIOS, Refused, helm, values_file
from tests.helm.immutable_fields import immovable
from tests.made_before.versions import COMMIT
from tests.repo.tree import ROOT

pytestmark = pytest.mark.charts
#: Those whose values the older chart knew.
BEFORE = [name for name in SCENARIOS if "watched" not in name and "then canary" not in name]
LOCAL_STORES = ["--set", "stores.size=5Gi"]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The charts and environments of that commit."""
    try:
        git(ROOT, "cat-file", "-e", f"{COMMIT}^{{commit}}")
    except GitError:
        pytest.skip("NOT RUN: this clone is shallow, so it lacks the commit whose charts are upgraded")
    folder = tmp_path_factory.mktemp("before")
    command = ["git", "-C", str(ROOT), "archive", COMMIT, "helm", "k8s/envs"]
    packed = subprocess.run(command, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def template(name: str, chart: Path, namespace: str, *options: str) -> list[dict[str, Any]]:
    text = helm("template", name, str(chart), "-n", namespace, *options)
    return [one for one in yaml.safe_load_all(text) if one]


def named(objects: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one for one in objects}


def faults(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The fields of each object that must not change, and do."""
    old, new = named(before), named(after)
    found = {"/".join(key): immovable(old[key], new[key]) for key in old.keys() & new.keys()}
    return {name: fields for name, fields in found.items() if fields}


@pytest.fixture(scope="module")
def platforms(before: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The platform's objects on a local cluster, then and now."""
    values = before / "k8s" / "envs" / "local" / "canario.yaml"
    old = template("canario", before / "helm" / "canario", "canario", "--values", str(values), *LOCAL_STORES)
    return old, environment_objects("local", LOCAL_STORES)


def test_nothing_immutable_of_the_platform_changes(
    platforms: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    assert faults(*platforms) == {}
    kinds = {one["kind"] for one in platforms[0]}
    assert {"Deployment", "StatefulSet", "Service", "RoleBinding"} <= kinds, "something was compared"


def test_an_upgrade_takes_nothing_of_the_platform_away(
    platforms: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    changes = compare(*platforms, "canario")
    assert changes.deleted == ()
    assert changes.created == ("ConfigMap/canario-rules",)
    assert set(changes.restarted) == {
        "Deployment/judge", "Deployment/mlflow", "StatefulSet/object-store", "StatefulSet/postgresql"
    }  # fmt: skip


@pytest.mark.parametrize("scenario", BEFORE)
def test_nothing_immutable_of_a_service_changes(before: Path, tmp_path: Path, scenario: str) -> None:
    """A service of the earlier chart is upgraded with the values that it has."""
    values = ["--values", str(values_file(tmp_path, SCENARIOS[scenario]))]
    old = template("churn", before / "helm" / "model-service", "models", *values)
    new = template("churn", CHART, "models", *values)
    assert faults(old, new) == {}
    changes = compare(old, new, "models")
    assert changes.deleted == ()
    assert changes.created == ("ConfigMap/churn-rules",)


def test_the_judge_understands_what_the_earlier_canary_asks(before: Path, tmp_path: Path) -> None:
    """The judge is upgraded before any service, so it answers the Canaries of the earlier chart."""
    values = ["--values", str(values_file(tmp_path, {}))]
    objects = template("churn", before / "helm" / "model-service", "models", *values)
    (canary,) = [one for one in objects if one["kind"] == "Canary"]
    webhooks = canary["spec"]["analysis"]["webhooks"]
    assert len(webhooks) == 7
    for webhook in webhooks:
        payload = payload_of({"name": "churn", "namespace": "models", "metadata": webhook["metadata"]})
        assert payload.metadata.rollout is not None
        assert (payload.metadata.rollout.strategy, payload.metadata.version) == ("canary", "1")


@pytest.mark.parametrize(
    ("old", "words"),
    [
        ({"monitoring": {"alerts": True}}, "/monitoring/alerts"),
        ({"monitoring": {"runbooks": "https://example.com"}}, "runbooks"),
    ],
)
def test_a_value_that_is_no_more_is_named(tmp_path: Path, old: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        helm("template", "churn", str(CHART), "-n", "models", "--values", str(values_file(tmp_path, old)))


def test_a_changed_selector_would_be_seen(platforms: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    old = platforms[0]
    new = json.loads(json.dumps(old))
    judge = named(new)["Deployment", "", "judge"]
    judge["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] = "other"
    assert faults(old, new) == {"Deployment//judge": ["spec.selector"]}
