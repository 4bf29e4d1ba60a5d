"""What becomes of a controller that is there is decided from its version, and from who brought it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from k8s.errors import EnvironmentFileError
from k8s.platform.controllers import Controller, Found, read_controllers
from k8s.upgrade.controllers import Names, plan_controllers, refusals, wanted_values
from k8s.upgrade.inventory import HelmRelease, Inventory

KNOWN = {one.name: one for one in read_controllers()}
CHARTS = [one for one in KNOWN.values() if one.chart and one.needed]
TLS_ROUTES = "tlsroutes.gateway.networking.k8s.io"
FLUX = "kustomizations.kustomize.toolkit.fluxcd.io"


USUAL = Names()


def release(controller: Controller, version: str = "", state: str = "deployed") -> HelmRelease:
    assert controller.chart is not None
    version = version or controller.chart.version
    return HelmRelease(controller.name, str(controller.namespace), controller.chart.name, version, "3", state)


def cluster(*releases: HelmRelease) -> Inventory:
    """A cluster with every needed controller, whose charts are of these releases."""
    crds = {one.found_by.crd for one in KNOWN.values() if one.needed and one.found_by.crd} | {FLUX}
    deployments = {one.found_by.deployment for one in KNOWN.values() if one.needed and one.found_by.deployment}
    found = Found(
        frozenset(filter(None, crds)),
        frozenset(filter(None, deployments)),
        {one.place: one.state for one in releases},
        {TLS_ROUTES: f"v{KNOWN['gateway-api'].version}"},
    )
    labels = {FLUX: f"v{KNOWN['flux'].version}", "metrics-server": f"v{KNOWN['metrics-server'].version}"}
    return Inventory("v1.35.1", found, labels, {one.place: one for one in releases})


OURS = cluster(*(release(one) for one in CHARTS))


def planned(there: Inventory, names: Names = USUAL, **given: dict[str, Any]) -> dict[str, tuple[str, str]]:
    def values(one: Controller) -> dict[str, Any]:
        return given.get(one.name.replace("-", "_"), wanted_values(one, local=names.local))

    return {
        one.controller.name: (one.action, one.says) for one in plan_controllers(KNOWN.values(), there, values, names)
    }


def refused(there: Inventory, names: Names = USUAL) -> list[str]:
    plans = plan_controllers(KNOWN.values(), there, lambda one: wanted_values(one, local=names.local), names)
    return list(refusals(plans, there))


def test_what_is_as_it_should_be_is_not_touched() -> None:
    assert {action for action, _ in planned(OURS).values()} == {"same"}
    assert set(planned(OURS)) == {one.name for one in CHARTS} | {"gateway-api", "metrics-server", "flux"}
    assert refused(OURS) == []


def test_an_older_chart_of_ours_is_brought_to_its_version() -> None:
    older = cluster(*(release(one, "0.0.9") for one in CHARTS))
    assert planned(older)["flagger"] == ("upgrade", "0.0.9 becomes 1.44.0")


def test_the_same_chart_with_other_values_is_given_ours() -> None:
    """Before there was a certificate Traefik had one replica, and its chart made the Gateway."""
    assert planned(OURS, traefik={"gateway": {"name": "public"}})["traefik"] == ("values", "42.3.0 gets other values")


def test_a_local_cluster_has_values_of_its_own() -> None:
    local = Names(local=True)
    values = {"traefik": wanted_values(KNOWN["traefik"], local=False)}
    assert planned(OURS, local, **values)["traefik"][0] == "values"
    assert planned(OURS, local)["traefik"][0] == "same"


def test_a_controller_of_somebody_elses_is_left_alone() -> None:
    action, says = planned(cluster())["traefik"]
    assert (action, says) == ("left", "its version is not said; somebody else installed it, and keeps it")
    other = replace(release(KNOWN["traefik"]), chart="banks-traefik")
    assert planned(cluster(other))["traefik"][0] == "left"


@pytest.mark.parametrize("label", ["1", "", "2026-bank"])
def test_what_its_makers_did_not_release_is_left_alone(label: str) -> None:
    there = replace(OURS, labels={"metrics-server": label})
    assert planned(there)["metrics-server"][0] == "left"


def test_what_comes_from_git_is_upgraded_there() -> None:
    there = replace(OURS, in_git=frozenset({"flagger-system/flagger"}))
    assert planned(there)["flagger"] == ("left", "1.44.0; comes from Git, as a HelmRelease")


def test_definitions_without_a_chart_go_by_what_they_say() -> None:
    older = replace(OURS.found, bundles={TLS_ROUTES: "v1.5.1"})
    assert planned(replace(OURS, found=older))["gateway-api"] == ("upgrade", "1.5.1 becomes 1.6.3")


def test_what_is_lacking_or_broke_off_is_brought() -> None:
    there = replace(OURS, found=replace(OURS.found, deployments=OURS.found.deployments - {"metrics-server"}))
    assert planned(there)["metrics-server"] == ("install", "is missing; 0.9.0 is installed")
    failed = cluster(*(release(one, state="failed" if one.name == "flagger" else "deployed") for one in CHARTS))
    assert planned(failed)["flagger"] == ("upgrade", "its release is failed; 1.44.0 is brought")
    assert refused(failed) == []


def test_one_that_is_skipped_stays_whatever_it_is() -> None:
    older = cluster(*(release(one, "99.0.0") for one in CHARTS))
    names = Names(skipped=frozenset(one.name for one in CHARTS))
    assert planned(older, names)["flagger"] == ("left", "99.0.0; left alone, as asked")
    assert refused(older, names) == []
    with pytest.raises(EnvironmentFileError, match="there is no controller 'istio'"):
        planned(OURS, Names(skipped=frozenset({"istio"})))


def test_a_newer_one_than_is_known_is_refused() -> None:
    newer = cluster(*(release(one, "99.0.0") for one in CHARTS))
    assert len(refused(newer)) == len(CHARTS)
    assert refused(newer)[0] == (
        "traefik: 99.0.0 is there, newer than 42.3.0, which this tree knows; take a newer tree, or leave it alone: "
        "SKIP=traefik"
    )


def test_a_step_over_too_many_versions_is_refused() -> None:
    old = replace(OURS, labels={**OURS.labels, FLUX: "v2.5.1"})
    assert refused(old) == ["flux: 2.5.1 is there, and 2.9.6 is reached from 2.6.0 on; upgrade it to that first"]
    assert refused(replace(OURS, labels={**OURS.labels, FLUX: "v2.7.5"})) == []


def test_a_cluster_that_is_too_old_for_a_version_is_refused() -> None:
    there = replace(OURS, kubernetes="v1.33.4-gke.100", labels={**OURS.labels, FLUX: "v2.7.5"})
    (said,) = refused(there)
    assert said.startswith(
        "flux: 2.9.6 needs Kubernetes 1.34.1 or later, and this is v1.33.4-gke.100; upgrade the cluster"
    )


def test_a_release_that_another_helm_holds_is_refused() -> None:
    held = cluster(
        *(release(one, "1.0.0", "pending-upgrade" if one.name == "flagger" else "deployed") for one in CHARTS)
    )
    assert refused(held)[0].startswith("flagger: its release is pending-upgrade, so another helm is at it")
    assert "`helm rollback flagger --namespace flagger-system`" in refused(held)[0]
