"""Merging is deploying: staging, its canary, the promotion and production, with Flux running in the cluster.

The tests build on each other and run in their order.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.releases.release_file import Image, release_file
from k8s.platform.installing import bring_controllers
from k8s.release.service_status import ServiceStatus, identity, status_in_cluster
from k8s.rendering.render import rendered_file
from tests.e2e.callers import Callers
from tests.e2e.git_server import GitServer
from tests.e2e.gitops import GitOps, environments
from tests.e2e.kube import Kube
from tests.e2e.scenario import DEMO, SERVICE, Version, image_name
from tests.k8s.followed import ENVIRONMENTS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

#: What is shown when a test fails.
NAMESPACES = tuple(f"gitops-{environment}" for environment in ENVIRONMENTS)
_SECONDS = 300.0
#: In so long the judge has looked again at every Canary; it does each minute.
_LOOKS_SECONDS = 75.0
#: What Flux or Flagger may write.
_KINDS = "deployments,services,hpa,canaries,httproutes,networkpolicies,poddisruptionbudgets,serviceaccounts,configmaps"

CallersOf = Callable[[str], AbstractContextManager[Callers]]


@pytest.fixture(scope="module")
def versions(packages: dict[str, str]) -> dict[str, Version]:
    """Two good ones, and one whose answers are errors."""
    bad = Version("3", packages["2"], {"CANARIO_FAULT_ERROR_RATIO": "0.5"})
    return {"1": Version("1", packages["1"]), "2": Version("2", packages["2"]), "3": bad}


@pytest.fixture(scope="module")
def gitops(
    programs: dict[str, Image],
    images: dict[str, Image],
    versions: dict[str, Version],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[GitOps]:
    bring_controllers("local", ["flux"], print)
    judge = programs["judge"]
    with (
        GitServer(Kube("gitops"), image_name(judge)) as server,
        environments(tmp_path_factory.mktemp("gitops"), judge, images, server, versions["1"]) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def calling(gitops: GitOps, load_image: str) -> Iterator[CallersOf]:
    """Traffic to one environment through the gateway, as long as a `with` lasts."""
    kube = Kube("gitops-callers")
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kube.namespace}})
    rows, spec = DEMO / "data" / "live.parquet", DEMO / "service.yaml"
    yield lambda environment: Callers(kube, f"http://{gitops.host(environment)}", spec, rows, load_image)
    kube.run("delete", "namespace", kube.namespace, "--wait=false")


def stands(gitops: GitOps, environment: str) -> ServiceStatus:
    return status_in_cluster(SERVICE, gitops.kube(environment).namespace)


def state(kube: Kube) -> dict[str, Any]:
    """What every object is to be; which of them were written since shows in their generation."""
    return {
        f"{one['kind']}/{one['metadata']['name']}": {
            "generation": one["metadata"].get("generation"), "spec": one.get("spec"), "data": one.get("data"),
        }
        for one in kube.get(_KINDS)
    }  # fmt: skip


def phase(kube: Kube) -> str:
    return str((kube.get("canary", SERVICE) or {}).get("status", {}).get("phase", ""))


def serves(kube: Kube) -> bool:
    return phase(kube) == "Initialized"


def asked(kube: Kube) -> tuple[str, str]:
    """Version and package that Flux asks for."""
    return identity(kube.get("deployment", SERVICE)["spec"]["template"])


def unproven(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether a promotion was refused for what stands in staging."""
    return done.returncode == 1 and bool(
        re.search(r"in staging: (a canary is under way|.* answers there)", done.stderr)
    )


def test_what_is_in_git_runs(gitops: GitOps) -> None:
    for environment in ENVIRONMENTS:
        gitops.begin(environment)
        kube = gitops.kube(environment)
        kube.wait(f"{environment} serves", partial(serves, kube), _SECONDS)
        assert (stands(gitops, environment).version, stands(gitops, environment).passed) == ("1", False)


def test_nobody_else_deploys(gitops: GitOps) -> None:
    refused = gitops.deploy("staging")
    assert refused.returncode == 1
    assert "Flux follows k8s/envs/staging in this cluster, so Git alone decides what runs" in refused.stderr


def test_a_merge_to_staging_is_a_canary_that_passes(
    gitops: GitOps, versions: dict[str, Version], calling: CallersOf, tmp_path: Path
) -> None:
    commit = gitops.merge("staging", versions["2"])
    assert unproven(gitops.promote()), "its canary has not even begun, or is under way"
    with calling("staging") as callers, gitops.verdict("staging", commit, tmp_path) as following:
        said, _ = following.communicate()
        assert following.returncode == 0, said
        callers.stop()
    assert {name: count.failed for name, count in callers.requests.items()} == {"1": 0, "2": 0}, callers.faults
    check = json.loads((tmp_path / "check.json").read_text(encoding="utf-8"))
    assert (check["head_sha"], check["conclusion"]) == (commit.id, "success")
    assert check["output"]["title"] == f"{SERVICE} version 2 in staging: its canary passed, it serves now"
    assert "    pass: " in check["output"]["summary"], "the judge's own words"
    assert stands(gitops, "production").version == "1"


def test_flagger_s_changes_are_no_drift(gitops: GitOps) -> None:
    kube = gitops.kube("staging")
    kube.wait("the target is at rest", lambda: not kube.get("deployment", SERVICE)["status"].get("replicas"), _SECONDS)
    before = state(kube)
    assert before["Deployment/churn"]["spec"]["replicas"] == 0, "Flagger's, and in no file"
    weights = [one["weight"] for one in before["HTTPRoute/churn"]["spec"]["rules"][0]["backendRefs"]]
    assert sorted(weights) == [0, 100], "Flagger's"
    gitops.reconcile("staging")
    assert state(kube) == before


def test_it_is_proposed_merged_and_production_follows(gitops: GitOps, calling: CallersOf) -> None:
    proposed = gitops.promote()
    assert proposed.returncode == 0, proposed.stderr
    assert "promote version 2 from staging to production: branch promote/production/churn-2" in proposed.stdout
    assert gitops.server.branches() == ["main", "promote/production/churn-2"]
    assert stands(gitops, "production").version == "1", "a proposal changes nothing"
    with calling("production") as callers:
        namespace = gitops.kube("production").namespace
        merged = gitops.promote("--merge", "--target-namespace", namespace)
        assert merged.returncode == 0, merged.stderr
        wanted = lambda: stands(gitops, "production") == stands(gitops, "staging")  # noqa: E731
        gitops.kube("production").wait("production has what staging has", wanted, _SECONDS)
        callers.stop()
    assert {name: count.failed for name, count in callers.requests.items()} == {"1": 0, "2": 0}, callers.faults
    assert stands(gitops, "production").passed
    assert gitops.server.branches() == ["main"]
    files = [release_file("production", SERVICE), rendered_file("production", SERVICE)]
    assert gitops.server.changed() == files, "one commit, both files"


def test_a_bad_version_is_reverted_in_staging_and_never_proposed(
    gitops: GitOps, versions: dict[str, Version], calling: CallersOf, tmp_path: Path
) -> None:
    _, good = gitops.server.history()[-1]
    with calling("staging") as callers:
        bad = gitops.merge("staging", versions["3"])
        assert unproven(gitops.promote()), "its commit stands, and it has proven nothing"
        with gitops.verdict("staging", bad, tmp_path) as following:
            said, _ = following.communicate()
        assert following.returncode == 1, said
        callers.stop()
    assert not any(count.failed for name, count in callers.requests.items() if name != "3"), callers.faults
    assert "version 3 in staging: rolled back, version 2 keeps serving" in (tmp_path / "comment.md").read_text()
    kube = gitops.kube("staging")
    kube.wait("the release is reverted", lambda: gitops.server.history()[-1][1] == good, 60)
    revert = gitops.server.history()[-1][0]
    assert f"This reverts commit {bad.id}." in revert.message
    assert "- error_ratio: state harm" in revert.message
    package = versions["2"].package
    kube.wait("Flux follows the revert", lambda: asked(kube) == ("2", package), 60)
    gitops.reconcile("staging")
    assert phase(kube) == "Failed", "the champion needs no canary of itself"
    assert stands(gitops, "staging") == ServiceStatus("2", package, passed=True, under_way=False)
    late = gitops.promote()
    assert (late.returncode, late.stdout) == (0, "production has version 2 already\n"), late.stderr
    assert gitops.server.branches() == ["main"]
    assert stands(gitops, "production").version == "2"
    time.sleep(_LOOKS_SECONDS)
    assert gitops.server.history()[-1][0] == revert, "the champion that is back has not failed"
