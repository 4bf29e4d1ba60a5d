"""What an environment says of its gateway, and the objects that follow."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from k8s.platform.controllers import read_controllers
from k8s.rendering.environment_files import read_platform
from k8s.rendering.gateway import CLASS, PORTS, SERVICE, GatewaySettings, gateway_objects
from k8s.rendering.render import environment_gateway
from tests.repo.tree import ROOT

PLATFORMS = sorted(ROOT.glob("k8s/envs/*/platform.yaml"))


def objects(**settings: Any) -> dict[str, dict[str, Any]]:
    made = gateway_objects(GatewaySettings.model_validate(settings), "example.com")
    return {one["kind"]: one for one in made}


def listeners(made: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in made["Gateway"]["spec"]["listeners"]}


def test_with_https_plain_http_only_redirects() -> None:
    made = objects(certificate="self-signed", https_port=8443)
    found = listeners(made)
    assert found["websecure"]["protocol"] == "HTTPS"
    assert found["websecure"]["hostname"] == "*.example.com"
    assert found["websecure"]["tls"]["certificateRefs"] == [{"group": "", "kind": "Secret", "name": "gateway-tls"}]
    # Services are in other namespaces than the redirect, so none can attach to plain HTTP.
    assert found["web"]["allowedRoutes"] == {"namespaces": {"from": "Same"}}
    assert found["websecure"]["allowedRoutes"] == {"namespaces": {"from": "All"}}
    route = made["HTTPRoute"]["spec"]
    assert made["HTTPRoute"]["metadata"]["namespace"] == made["Gateway"]["metadata"]["namespace"]
    assert route["parentRefs"][0]["sectionName"] == "web"
    (rule,) = route["rules"]
    assert rule == {
        "filters": [
            {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "port": 8443, "statusCode": 308}}
        ]
    }


def test_the_usual_port_is_not_in_the_new_address() -> None:
    (rule,) = objects()["HTTPRoute"]["spec"]["rules"]
    assert "port" not in rule["filters"][0]["requestRedirect"]


def test_without_a_certificate_services_are_at_plain_http() -> None:
    made = objects(certificate="none")
    assert set(made) == {"Gateway", "Service"}
    assert list(listeners(made)) == ["web"]
    assert listeners(made)["web"]["allowedRoutes"] == {"namespaces": {"from": "All"}}
    assert GatewaySettings(certificate="none", http_port=8080).url("a.b") == "http://a.b:8080"


def test_plain_http_is_served_beside_https_while_callers_move() -> None:
    settings = GatewaySettings(http="served")
    found = listeners(objects(http="served"))
    assert {name: one["allowedRoutes"]["namespaces"]["from"] for name, one in found.items()} == {
        "web": "All",
        "websecure": "All",
    }
    assert "HTTPRoute" not in objects(http="served"), "nobody is redirected"
    assert (settings.listener, settings.serves_http, settings.has_tls) == ("", True, True)
    assert (GatewaySettings().listener, GatewaySettings().serves_http) == ("websecure", False)


@pytest.mark.parametrize(("certificate", "issuer"), [("issuer/bank-ca", "bank-ca"), ("secret", None)])
def test_only_an_issuer_is_told_to_issue(certificate: str, issuer: str | None) -> None:
    annotations = objects(certificate=certificate)["Gateway"]["metadata"]["annotations"]
    assert annotations.get("cert-manager.io/cluster-issuer") == issuer


def test_source_ranges_are_the_load_balancers() -> None:
    some = objects(source_ranges=["203.0.113.0/24", "2001:db8::/32"])["Service"]
    assert some["spec"] == {"loadBalancerSourceRanges": ["203.0.113.0/24", "2001:db8::/32"]}
    assert "spec" not in objects(source_ranges=["203.0.113.0/24", "0.0.0.0/0"])["Service"], "everybody is let in"
    assert some["metadata"]["annotations"]["external-dns.alpha.kubernetes.io/hostname"] == "*.example.com"
    # Helm's Service stays when Flux no longer applies this part of it.
    assert some["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/prune"] == "disabled"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("certificate", "letsencrypt", "issuer/"),
        ("certificate", "issuer/", "issuer/"),
        ("source_ranges", ["203.0.113.7/24"], "203.0.113.7/24 has host bits set"),
        ("source_ranges", [], "at least 1 item"),
        ("address", "churn.example.com", "does not appear to be an IPv4 or IPv6 address"),
        ("https_port", 0, "greater than or equal to 1"),
        ("tls", True, "Extra inputs"),
    ],
)
def test_a_wrong_setting_is_said(field: str, value: object, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        GatewaySettings.model_validate({field: value})
    assert caught.value.errors()[0]["loc"][0] == field


def test_the_ports_are_those_of_the_controller() -> None:
    chart = next(one for one in read_controllers() if one.name == SERVICE).chart
    assert chart is not None
    assert {name: chart.values["ports"][name]["port"] for name in PORTS} == PORTS
    assert chart.values["gateway"] == {"enabled": False}, "two owners of one Gateway would fight"
    assert chart.name == CLASS


def test_the_gateway_outlives_the_loss_of_a_pod_or_a_node() -> None:
    """Two replicas on two nodes, of which one may go; it answers until nobody asks it any more."""
    chart = next(one for one in read_controllers() if one.name == SERVICE).chart
    assert chart is not None
    values = chart.values
    assert values["deployment"]["replicas"] >= 2
    assert values["podDisruptionBudget"] == {"enabled": True, "maxUnavailable": 1}
    assert set(values["resources"]["requests"]) == {"cpu", "memory"}
    assert values["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"
    longest = read_longest_request()
    for name in PORTS:
        transport = values["ports"][name]["transport"]
        accept, grace = (
            int(transport["lifeCycle"][key].removesuffix("s")) for key in ("requestAcceptGraceTimeout", "graceTimeOut")
        )
        # Each kept connection is told to close while new ones already go elsewhere.
        assert int(transport["keepAliveMaxTime"].removesuffix("s")) < accept
        assert grace > longest
        assert values["deployment"]["terminationGracePeriodSeconds"] > accept + grace


def read_longest_request() -> int:
    """Seconds of the longest request of a service whose environment does not say otherwise."""
    assert not any("requestSeconds" in read_platform(path).values for path in PLATFORMS)
    return 15


@pytest.mark.parametrize("path", PLATFORMS, ids=lambda path: path.parent.name)
def test_every_environment_of_ours_has_https(path: Any) -> None:
    platform = read_platform(path)
    assert platform.gateway.has_tls
    assert {one["kind"] for one in environment_gateway(ROOT, path.parent.name)} == {"Gateway", "HTTPRoute", "Service"}


def test_every_setting_is_described() -> None:
    text = (ROOT / "k8s" / "controllers" / "README.md").read_text(encoding="utf-8")
    assert [name for name in GatewaySettings.model_fields if f"`{name}`" not in text] == []
