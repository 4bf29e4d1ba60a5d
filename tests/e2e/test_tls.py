"""The public gateway: HTTPS, its certificate, the redirect, who may come in, and pods of it that go under load."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from k8s.cluster.gateway import obstacles, read_gateway
from k8s.cluster.tunnel import reached
from k8s.deploy.public_address import PublicAddress, fault_of
from k8s.platform.certificate import CertificateError, read_secret
from k8s.platform.gateway import GatewayPlan, bring_gateway, require_certificate
from k8s.platform.self_signed import issue, make_authority
from k8s.rendering.environment_files import Platform, read_platform
from k8s.rendering.gateway import CERTIFICATE, OURS, SERVICE, ca_file, names
from tests.e2e import edge
from tests.e2e.callers import Callers
from tests.e2e.conftest import HOST, Calling
from tests.e2e.kube import CONTAINER_SECURITY, Kube, KubeError
from tests.e2e.loaded_rules import PROMETHEUS
from tests.e2e.scenario import CALLERS, ROOT
from tests.load.tally import NOBODY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

LOCAL = read_platform(ROOT / "k8s" / "envs" / "local" / "platform.yaml")
#: An address of documentation (RFC 5737), which only this cluster's proxy knows as that of a load balancer.
_BALANCER = "203.0.113.10"
_ELSEWHERE = "198.51.100.0/24"


def address(authority: Path | None) -> PublicAddress:
    return PublicAddress(LOCAL.gateway.url(HOST), LOCAL.gateway.address, authority)


def own(**settings: Any) -> GatewayPlan:
    """The local gateway, but for some settings."""
    gateway = LOCAL.gateway.model_copy(update=settings)
    return GatewayPlan(ROOT, "local", Platform(domain=LOCAL.domain, gateway=gateway))


def keep(certificate: str, key: str) -> None:
    """Puts another certificate into the gateway's Secret."""
    text = {"tls.crt": certificate, "tls.key": key}
    data = {name: base64.b64encode(one.encode()).decode() for name, one in text.items()}
    edge.gateway().run("patch", "secret", CERTIFICATE, "--type=merge", "--patch", json.dumps({"data": data}))


def test_https_answers_who_knows_the_authority(champion: None) -> None:
    assert fault_of(address(ca_file(ROOT, "local"))) == ""
    assert "CERTIFICATE_VERIFY_FAILED" in fault_of(address(None), tries=1)


def test_plain_http_is_sent_to_https_and_not_answered(champion: None) -> None:
    """A request with a body, too, whose method a caller keeps when it follows."""
    url = f"http://{LOCAL.gateway.address}:{LOCAL.gateway.http_port}"
    for method, path in (("GET", "/schema"), ("POST", "/predict")):
        answer = httpx.request(method, f"{url}{path}", headers={"host": HOST}, trust_env=False)
        assert (answer.status_code, answer.headers["location"]) == (308, f"{LOCAL.gateway.url(HOST)}{path}")
        assert "x-canario-receipt" not in answer.headers


def test_a_certificate_that_ran_out_is_told_and_renewed(champion: None, install_platform: Callable[[], str]) -> None:
    """`make platform` tells one that a person brought, and renews its own; the gateway takes it up by itself."""
    held = read_secret()
    assert held is not None
    past = datetime.now(UTC) - timedelta(days=100)
    old = issue(make_authority(LOCAL.domain, past), names(LOCAL.domain), past)
    keep(old.certificate, old.key)
    with pytest.raises(CertificateError, match="ran out on"):
        require_certificate(own(certificate="secret"))
    edge.gateway().wait("the old certificate is served", lambda: fault_of(address(ca_file(ROOT, "local")), 1), 30)
    said = install_platform()
    assert "certificate was made anew (Secret gateway-tls in namespace gateway: the certificate ran out on " in said
    trusted = address(ca_file(ROOT, "local"))
    edge.gateway().wait("callers accept it again", lambda: fault_of(trusted, tries=1) == "", 30)
    assert ca_file(ROOT, "local").read_text() == held.authority, "callers need no other authority"


def test_a_certificate_that_is_missing_is_told(champion: None, install_platform: Callable[[], str]) -> None:
    kube = edge.gateway()
    kube.run("delete", "secret", CERTIFICATE)
    try:
        with pytest.raises(CertificateError, match="does not exist"):
            require_certificate(own(certificate="secret"))
        said = kube.wait("the gateway says so", lambda: obstacles(read_gateway(OURS.namespace, OURS.name)), 30)
        assert "listener websecure: ResolvedRefs is False" in " ".join(said)
    finally:
        assert "the self-signed certificate was made" in install_platform()
    kube.wait("callers are answered again", lambda: fault_of(address(ca_file(ROOT, "local")), tries=1) == "", 30)


def test_plain_http_is_there_where_it_is_asked_for(
    models: Kube, champion: None, install_platform: Callable[[], str]
) -> None:
    """Without a certificate there is no redirect, and `make platform` warns; a route for HTTPS alone stays shut."""
    plain = own(certificate="none")
    said: list[str] = []
    try:
        bring_gateway(plain, said.append)
        assert said[0].startswith("gateway: WARNING: plain HTTP")
        listeners = read_gateway(OURS.namespace, OURS.name)["spec"]["listeners"]
        assert [one["name"] for one in listeners if one["allowedRoutes"]["namespaces"]["from"] == "All"] >= ["web"]
    finally:
        install_platform()
    models.wait("HTTPS is back", lambda: fault_of(address(ca_file(ROOT, "local")), tries=1) == "", 30)


@contextlib.contextmanager
def caller_pod(image: str) -> Iterator[tuple[Kube, str]]:
    """A pod from which the load balancer is called, and its address."""
    kube = Kube(CALLERS)
    container = {"name": "caller", "image": image, "command": ["sleep", "600"], "securityContext": CONTAINER_SECURITY}
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    kube.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CALLERS}},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "source"},
            "spec": {"containers": [container], "securityContext": security, "terminationGracePeriodSeconds": 0},
        },
    )
    kube.run("wait", "pod/source", "--for=condition=Ready", "--timeout=60s")
    yield kube, kube.get("pod", "source")["status"]["podIP"]
    kube.run("delete", "pod", "source", "--now")


@contextlib.contextmanager
def load_balancer() -> Iterator[None]:
    """The gateway's Service as a cloud would have it, with an address that only the cluster's proxy knows."""
    kube = edge.gateway()
    before = kube.get("service", SERVICE)["spec"]["type"]
    kube.run("patch", "service", SERVICE, "--type=merge", "--patch", '{"spec": {"type": "LoadBalancer"}}')
    ingress = {"status": {"loadBalancer": {"ingress": [{"ip": _BALANCER}]}}}
    kube.run("patch", "service", SERVICE, "--subresource=status", "--type=merge", "--patch", json.dumps(ingress))
    try:
        yield
    finally:
        bring_gateway(own(), lambda _: None)
        kube.run("patch", "service", SERVICE, "--type=merge", "--patch", json.dumps({"spec": {"type": before}}))


def test_a_source_outside_the_ranges_is_refused(platform: None, load_image: str) -> None:
    """As the cluster's proxy enforces it for a load balancer; a cloud's firewall does it before."""
    connect = f"import socket; socket.create_connection(('{_BALANCER}', 443), 3).close()"

    def connects(kube: Kube, expected: bool) -> bool:
        try:
            kube.run("exec", "source", "--", "python", "-c", connect)
        except KubeError:
            return not expected
        return expected

    with caller_pod(load_image) as (kube, source), load_balancer():
        for ranges, let_in in (((f"{source}/32",), True), ((_ELSEWHERE,), False), (("0.0.0.0/0",), True)):
            bring_gateway(own(source_ranges=ranges), lambda _: None)
            kube.wait(f"{source} against {ranges}", partial(connects, kube, let_in), 30)


def test_the_load_notices_a_gateway_that_just_goes(champion: None, calling: Calling) -> None:
    """The twin of the next test: where one pod goes without patience, callers lose requests."""
    kube = edge.gateway()
    if edge.is_ours():
        pytest.skip("this gateway is the platform's own, which has no pod that just goes")
    with calling() as callers:
        kube.run("delete", "pod", edge.pods()[0]["metadata"]["name"], "--now")
        edge.rolled_out()
        callers.stop()
    lost, served = callers.requests[NOBODY], callers.requests["1"]
    assert served.failed == 0 < served.sent, callers.faults
    assert lost.failed > 0


def test_a_pod_or_a_node_of_the_gateway_may_go_under_load(champion: None, calling: Calling) -> None:
    kube = edge.gateway()
    with edge.as_in_the_platform():
        first, second = edge.pods()
        assert first["spec"]["nodeName"] != second["spec"]["nodeName"]
        with calling(node=first["spec"]["nodeName"]) as callers:
            kube.run("delete", "pod", first["metadata"]["name"])
            edge.rolled_out()
            check(callers)
            with drained(second["spec"]["nodeName"]):
                edge.rolled_out()
                assert {one["spec"]["nodeName"] for one in edge.pods()} == {first["spec"]["nodeName"]}
                check(callers)
            kube.run("rollout", "restart", f"deployment/{SERVICE}")
            edge.rolled_out()
            check(callers)
            callers.stop()
        check(callers, look=False)


def check(callers: Callers, *, look: bool = True) -> None:
    """No request was lost, and there were some."""
    assert not look or callers.look()
    assert {name: count.failed for name, count in callers.requests.items()} == {"1": 0}, callers.faults


@contextlib.contextmanager
def drained(node: str) -> Iterator[None]:
    """The gateway's pods evicted from a node, which takes no new ones; the budget has its say."""
    kube = edge.gateway()
    try:
        kube.run("drain", node, f"--pod-selector={edge.selector()}", "--delete-emptydir-data", "--timeout=180s")
        yield
    finally:
        kube.run("uncordon", node)


def test_what_is_served_is_what_the_secret_holds(champion: None) -> None:
    """The gateway's own stand-in certificate is never served for a name of ours."""
    held = read_secret()
    assert held is not None
    where = (LOCAL.gateway.address or "", LOCAL.gateway.https_port)
    context = ssl.create_default_context(cafile=str(ca_file(ROOT, "local")))
    with socket.create_connection(where, 5) as raw, context.wrap_socket(raw, server_hostname=HOST) as spoken:
        served = ssl.DER_cert_to_PEM_cert(spoken.getpeercert(binary_form=True) or b"")
    assert served.strip() == held.pair.certificate.strip()


def test_prometheus_knows_when_the_certificate_ends(champion: None) -> None:
    """By the alert's own question: it is silent now, and would ring if 90 days were too few."""
    ((_, text),) = Kube("canario").get("configmap", "canario-rules")["data"].items()
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    (asked,) = [rule["expr"] for rule in rules if rule["alert"] == "CertificateEnds"]
    assert f"*.{LOCAL.domain}".replace("*", r"\*").replace(".", r"\.") in asked

    def answer(question: str) -> list[Any]:
        with reached(PROMETHEUS) as address:
            found = httpx.get(f"{address}/api/v1/query", params={"query": question}).raise_for_status().json()
        return list(found["data"]["result"])

    edge.gateway().wait("each pod tells of it, and none of another", lambda: not answer(asked), 60)
    sooner = asked.replace("21 * 86400", "90 * 86400")
    assert sooner != asked
    assert answer(sooner)
