"""What `make platform` does for the gateway, says of it, and refuses."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from k8s.errors import ClusterError, EnvironmentFileError
from k8s.platform import gateway, in_force, issuer
from k8s.platform.certificate import CertificateError, TlsSecret
from k8s.platform.gateway import GatewayPlan, bring_certificate, bring_gateway, require_certificate, told
from k8s.platform.issuer import issuer_file
from k8s.platform.self_signed import issue, make_authority
from k8s.rendering.environment_files import Platform
from k8s.rendering.gateway import names
from tests.programs import program

DOMAIN = "example.com"
PROGRAMMED = [{"type": "Programmed", "status": "True", "observedGeneration": 3}]
REFUSED = {
    "type": "ResolvedRefs", "status": "False", "observedGeneration": 3, "message": "Cannot load CertificateRef"
}  # fmt: skip


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cluster whose objects are files `<kind>-<name>.json`; notes what is applied, and has taken up the Gateway."""
    ask = 'file="{0}/$(echo "$*" | sed -E "s/.*get ([a-z]+)[^ ]* ([^ ]+) .*/\\1-\\2/").json"; [ ! -f "$file" ] || '
    ask += 'case "$*" in *"-o name"*) echo there ;; *) cat "$file" ;; esac'
    apply = 'printf "%s\\n" "$*" >> {0}/applied; for last; do :; done; cat "$last" >> {0}/objects'
    delete = 'case "$*" in *" delete "*) echo "$*" >> {0}/deleted; exit ;; esac'
    script = f'{delete}; case "$1" in apply) {apply} ;; *) {ask} ;; esac'
    program(tmp_path, "kubectl", script.replace("{0}", str(tmp_path)))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(in_force, "_LOOK_SECONDS", 0.0)
    status = {"conditions": PROGRAMMED, "addresses": [{"type": "IPAddress", "value": "203.0.113.5"}]}
    keep(tmp_path, "service-traefik")
    keep(tmp_path, "gateways-public", metadata={"generation": 3}, status=status)
    return tmp_path


def keep(folder: Path, name: str, **parts: Any) -> None:
    (folder / f"{name}.json").write_text(json.dumps(parts))


def keep_certificate(folder: Path, domain: str = DOMAIN, age: timedelta = timedelta()) -> None:
    authority = make_authority(domain, datetime.now(UTC) - age)
    pair = issue(authority, names(domain), datetime.now(UTC) - age)
    held = {"tls.crt": pair.certificate, "tls.key": pair.key}
    data = {key: base64.b64encode(text.encode()).decode() for key, text in held.items()}
    keep(folder, "secret-gateway-tls", data=data)


def plan(folder: Path, **settings: Any) -> GatewayPlan:
    return GatewayPlan(folder, "staging", Platform.model_validate({"domain": DOMAIN, "gateway": settings}))


def brought(it: GatewayPlan) -> list[str]:
    said: list[str] = []
    bring_gateway(it, said.append)
    return said


def test_a_certificate_of_ones_own_is_used(cluster: Path) -> None:
    keep_certificate(cluster)
    it = plan(cluster, certificate="secret", source_ranges=["203.0.113.0/24"])
    require_certificate(it)
    said = brought(it)
    assert said[0].startswith("gateway: the certificate (secret) is valid until ")
    assert said[1:] == [
        "gateway: https://*.example.com, at 203.0.113.5",
        "gateway: DNS needs *.example.com A 203.0.113.5; external-dns makes that record where it runs",
        "gateway: its load balancer lets in 203.0.113.0/24",
    ]
    (applied,) = (cluster / "applied").read_text().splitlines()
    # An owner of its own: as kubectl's usual one it would take away what others applied of the controller's Service.
    assert applied.startswith("apply --server-side --force-conflicts --field-manager=canario-gateway --filename ")
    kinds = [one["kind"] for one in json.loads((cluster / "objects").read_text())["items"]]
    assert kinds == ["Gateway", "HTTPRoute", "Service"]
    assert not (cluster / "deleted").exists()


@pytest.mark.parametrize(
    ("domain", "age", "words"),
    [
        (None, 0, r"does not exist.*create secret tls gateway-tls --cert=chain.pem --key=key.pem"),
        (DOMAIN, 91, r"ran out on .* UTC; "),
        ("other.com", 0, r"is for \*.other.com"),
    ],
)
def test_a_certificate_of_ones_own_is_checked_first(cluster: Path, domain: str | None, age: int, words: str) -> None:
    """One that is missing, ran out or has other names is told before anything is installed."""
    if domain:
        keep_certificate(cluster, domain, timedelta(days=age))
    with pytest.raises(CertificateError, match=words):
        require_certificate(plan(cluster, certificate="secret"))
    assert not (cluster / "applied").exists()


def test_one_that_runs_out_soon_is_warned_of(cluster: Path) -> None:
    keep_certificate(cluster, age=timedelta(days=75))
    assert brought(plan(cluster, certificate="secret"))[0].startswith("gateway: WARNING: the certificate runs out on ")


def test_a_traefik_of_somebody_elses_is_left_alone(cluster: Path) -> None:
    (cluster / "service-traefik.json").unlink()
    with pytest.raises(ClusterError, match=r"no Service traefik in namespace gateway.*values.route.gateway"):
        brought(plan(cluster, certificate="none"))
    assert not (cluster / "applied").exists()


def test_plain_http_is_said(cluster: Path) -> None:
    said = brought(plan(cluster, certificate="none", address="127.0.0.1", http_port=8080))
    assert said == [
        "gateway: WARNING: plain HTTP (certificate: none); whoever is on the way reads and changes what is sent",
        "gateway: http://*.example.com:8080, at 127.0.0.1",
        "gateway: it lets in callers from everywhere; gateway.source_ranges in platform.yaml narrows that",
    ]
    # The redirect of an earlier setting goes.
    gone = "-n gateway delete httproutes.gateway.networking.k8s.io redirect-to-https --ignore-not-found\n"
    assert (cluster / "deleted").read_text() == gone


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ([], "gateway: https://*.example.com, which has no address yet"),
        (["2001:db8::5"], "DNS needs *.example.com AAAA 2001:db8::5"),
        (["lb.cloud.example"], "DNS needs *.example.com CNAME lb.cloud.example"),
    ],
)
def test_the_record_that_dns_needs_is_told(tmp_path: Path, found: list[str], line: str) -> None:
    assert any(line in said for said in told(plan(tmp_path), found))


READY = {"type": "Ready", "status": "True"}


def test_an_issuer_that_nobody_brings_stops_it_at_once(cluster: Path) -> None:
    """Neither the cluster nor the environment has it, so a person learns that before anything is installed."""
    it = plan(cluster, certificate="issuer/bank")
    assert it.controllers == ("cert-manager",)
    with pytest.raises(ClusterError, match=r"no ClusterIssuer bank; write it to k8s/envs/staging/issuer\.yaml"):
        require_certificate(it)
    keep(cluster, "crd-clusterissuers.cert-manager.io")
    with pytest.raises(ClusterError, match="no ClusterIssuer bank; write it to"):
        require_certificate(it)
    keep(cluster, "clusterissuers-bank", metadata={})
    require_certificate(it)
    assert not (cluster / "applied").exists()


def test_an_issuer_that_is_not_ready_is_said(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer, "_READY_SECONDS", 0.0)
    it = plan(cluster, certificate="issuer/bank")
    with pytest.raises(ClusterError, match="issuer/bank needs cert-manager, which this cluster lacks"):
        bring_certificate(it, print)
    keep(cluster, "crd-clusterissuers.cert-manager.io")
    for status, words in (
        ({}, "cert-manager has not taken it up"),
        ({"conditions": [READY | {"status": "False", "message": "the CA's key is not there"}]}, "the CA's key is not"),
    ):
        keep(cluster, "clusterissuers-bank", metadata={}, status=status)
        with pytest.raises(ClusterError, match=f"ClusterIssuer bank is not in force after 0 s: {words}"):
            bring_certificate(it, print)
    keep(cluster, "clusterissuers-bank", metadata={}, status={"conditions": [READY]})
    bring_certificate(it, print)
    assert not (cluster / "applied").exists(), "it is somebody else's"


def test_the_environments_own_issuer_needs_one_run(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be applied only when cert-manager is there, so `make platform` does it, and waits until it is ready."""
    it, said = plan(cluster, certificate="issuer/bank"), list[str]()
    file = cluster / issuer_file("staging")
    file.parent.mkdir(parents=True)
    written = {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": "bank"}}
    file.write_text(json.dumps({**written, "spec": {"ca": {"secretName": "bank-ca"}}}))
    require_certificate(it)
    keep(cluster, "crd-clusterissuers.cert-manager.io")
    keep(cluster, "clusterissuers-bank", metadata={})

    def ready_after(_: float) -> None:
        keep(cluster, "clusterissuers-bank", metadata={}, status={"conditions": [READY]})

    monkeypatch.setattr("k8s.platform.in_force.time.sleep", ready_after)
    bring_certificate(it, said.append)
    assert said == ["gateway: ClusterIssuer bank is as k8s/envs/staging/issuer.yaml says"]
    (applied,) = json.loads((cluster / "objects").read_text())["items"]
    assert applied["spec"] == {"ca": {"secretName": "bank-ca"}}


@pytest.mark.parametrize(
    "text",
    ["kind: ClusterIssuer\nmetadata: {name: other}", "kind: Issuer\nmetadata: {name: bank}", "- a", "a: 1\na: 2", ""],
)
def test_another_issuer_in_the_file_is_refused(cluster: Path, text: str) -> None:
    file = cluster / issuer_file("staging")
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(EnvironmentFileError, match=r"issuer\.yaml"):
        require_certificate(plan(cluster, certificate="issuer/bank"))


def test_what_the_issuer_does_not_issue_is_said(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "_ISSUED_SECONDS", 0.0)
    keep(cluster, "crd-clusterissuers.cert-manager.io")
    keep(cluster, "clusterissuers-bank", metadata={}, status={"conditions": [{"type": "Ready", "status": "True"}]})
    it = plan(cluster, certificate="issuer/bank")
    with pytest.raises(ClusterError, match=r"Secret gateway-tls is not there; cert-manager has not taken it up \(does"):
        brought(it)
    keep(cluster, "certificates-gateway-tls", status={"conditions": [{"message": "the domain is not yours"}]})
    with pytest.raises(ClusterError, match=r"the certificate is not in force.*the domain is not yours"):
        brought(it)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({}, "no controller has taken it up"),
        ({"conditions": [PROGRAMMED[0] | {"observedGeneration": 2}]}, "no controller has taken it up"),
        (
            {"conditions": PROGRAMMED, "listeners": [{"name": "websecure", "conditions": [REFUSED]}]},
            "listener websecure: ResolvedRefs is False: Cannot load CertificateRef",
        ),
    ],
)
def test_a_gateway_that_is_not_in_force_is_no_gateway(
    cluster: Path, monkeypatch: pytest.MonkeyPatch, status: dict[str, Any], words: str
) -> None:
    """Nobody has taken it up, or only as it was before, or a listener has no certificate."""
    monkeypatch.setattr(gateway, "_PROGRAMMED_SECONDS", 0.0)
    keep(cluster, "gateways-public", metadata={"generation": 3}, status=status)
    with pytest.raises(ClusterError, match=words):
        brought(plan(cluster, certificate="none"))


def test_a_gateway_of_ones_own_is_not_touched(cluster: Path) -> None:
    values = {"route": {"gateway": {"name": "inner", "namespace": "edge"}}}
    platform = Platform.model_validate({"domain": DOMAIN, "gateway": {"certificate": "issuer/bank"}, "values": values})
    it = GatewayPlan(cluster, "staging", platform)
    assert it.controllers == ()
    assert brought(it) == [
        "gateway: services attach to one of your own, as values.route.gateway says; nothing is made for it here"
    ]
    assert not (cluster / "applied").exists()


def test_the_authority_is_left_where_callers_find_it(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = make_authority(DOMAIN, datetime.now(UTC))
    secret = TlsSecret(issue(authority, names(DOMAIN), datetime.now(UTC)), authority.certificate)
    monkeypatch.setattr(gateway, "read_secret", lambda: secret)
    monkeypatch.setattr(gateway, "bring_self_signed", lambda *_: None)
    said = brought(plan(cluster))
    assert said[1].startswith("gateway: callers need its authority, build/gateway/staging-ca.pem (SHA-256 ")
    assert (cluster / "build" / "gateway" / "staging-ca.pem").read_text() == authority.certificate
