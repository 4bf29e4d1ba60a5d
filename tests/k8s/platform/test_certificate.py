"""The gateway's certificate: made, kept, renewed, and refused when callers would refuse it."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from k8s.platform.certificate import CertificateError, TlsSecret, bring_self_signed, check, fingerprint, read_secret
from k8s.platform.self_signed import LIFE, KeyPair, issue, make_authority
from k8s.rendering.gateway import names
from tests.programs import program

DOMAIN = "canario.local"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return make_authority(DOMAIN, NOW)


@pytest.fixture(scope="module")
def pair(authority: KeyPair) -> KeyPair:
    return issue(authority, names(DOMAIN), NOW)


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cluster that keeps the Secrets that it is given, a file each."""
    # The one object of the list that is applied.
    alone = r"""sed -E 's/^.*"items": \[(.*)\]\}$/\1/' "$last" """
    named = r"""sed -E 's/.*"name": "([^"]*)".*/\1/' "$last" """
    apply = f'for last; do :; done; {alone} > "{{0}}/$({named}).json"'
    ask = '[ ! -f "{0}/$5.json" ] || cat "{0}/$5.json"'
    program(tmp_path, "kubectl", f'case "$1" in apply) {apply} ;; *) {ask} ;; esac'.replace("{0}", str(tmp_path)))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def brought(now: datetime) -> list[str]:
    said: list[str] = []
    bring_self_signed(DOMAIN, now, said.append)
    return said


def held() -> TlsSecret:
    secret = read_secret()
    assert secret is not None
    return secret


def handshake(pair: KeyPair, authority: str, name: str, folder: Path) -> str:
    """What a caller says who trusts an authority and asks for a name; empty if all is well."""
    file = folder / "pair.pem"
    file.write_text(pair.certificate + pair.key)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cadata=authority)
    server.load_cert_chain(file)
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name):
            return ""
    except ssl.SSLError as error:
        return str(error)
    finally:
        ours.close()
        thread.join()


def test_callers_accept_it_with_its_authority(authority: KeyPair, pair: KeyPair, tmp_path: Path) -> None:
    assert handshake(pair, authority.certificate, f"churn.{DOMAIN}", tmp_path) == ""
    other = make_authority(DOMAIN, NOW).certificate
    assert "verify failed" in handshake(pair, other, f"churn.{DOMAIN}", tmp_path)
    assert "mismatch" in handshake(pair, authority.certificate, "churn.example.com", tmp_path)


def test_the_authority_vouches_for_its_domain_alone(authority: KeyPair, tmp_path: Path) -> None:
    """Who takes the authority's key cannot pose as anybody else before those who trust it."""
    foreign = issue(authority, ["bank.example.com"], NOW)
    assert "permitted subtree violation" in handshake(foreign, authority.certificate, "bank.example.com", tmp_path)


def test_one_is_made_once_and_kept(secrets: Path) -> None:
    assert brought(NOW) == ["gateway: the self-signed certificate was made"]
    made = held()
    assert check(made, DOMAIN, NOW) > NOW + timedelta(days=60)
    assert made.authority.startswith("-----BEGIN CERTIFICATE-----")
    assert brought(NOW + timedelta(days=1)) == []
    assert held() == made


def test_one_that_runs_out_is_renewed_by_the_same_authority(secrets: Path) -> None:
    """Callers keep what they trust."""
    brought(NOW)
    first = held()
    assert brought(NOW + timedelta(days=61)) == ["gateway: the self-signed certificate runs out soon, was made anew"]
    assert held().pair != first.pair
    assert held().authority == first.authority
    later = NOW + timedelta(days=500)
    (said,) = brought(later)
    assert "was made anew (Secret gateway-tls in namespace gateway: the certificate ran out on" in said
    check(held(), DOMAIN, later)
    assert held().authority == first.authority


def test_an_authority_that_runs_out_is_made_anew(secrets: Path) -> None:
    brought(NOW)
    first, later = held(), NOW + timedelta(days=3650) - LIFE
    brought(later)
    assert held().authority != first.authority
    check(held(), DOMAIN, later)


@pytest.mark.parametrize(
    ("spoil", "now", "words"),
    [
        (lambda _: None, NOW, "does not exist"),
        (lambda it: it, NOW + LIFE, "ran out on"),
        (lambda it: it, NOW - timedelta(days=1), "is valid only from"),
        (lambda it: KeyPair("nonsense", it.key), NOW, "is not PEM"),
        (lambda it: KeyPair(it.certificate, "nonsense"), NOW, "is not PEM"),
        (lambda it: KeyPair(it.certificate, make_authority(DOMAIN, NOW).key), NOW, "not the key of"),
    ],
)
def test_what_callers_would_refuse_is_said(
    pair: KeyPair, spoil: Callable[[KeyPair], KeyPair | None], now: datetime, words: str
) -> None:
    spoiled = spoil(pair)
    with pytest.raises(CertificateError, match=words):
        check(TlsSecret(spoiled, "") if spoiled else None, DOMAIN, now)


def test_a_certificate_of_another_domain_is_refused(pair: KeyPair) -> None:
    with pytest.raises(CertificateError, match=r"is for \*.canario.local, canario.local, and must be for \*.example"):
        check(TlsSecret(pair, ""), "example.com", NOW)


def test_the_fingerprint_is_that_of_openssl(authority: KeyPair) -> None:
    der = base64.b64decode("".join(authority.certificate.splitlines()[1:-1]))
    assert fingerprint(authority.certificate).replace(":", "") == hashlib.sha256(der).hexdigest().upper()


def test_keys_are_not_in_the_arguments_of_a_program(secrets: Path) -> None:
    """Other programs can see arguments; the file is the Secret, in the form of kubernetes.io/tls."""
    brought(NOW)
    kept = json.loads((secrets / "gateway-tls.json").read_text())
    assert kept["type"] == "kubernetes.io/tls"
    assert set(kept["data"]) == {"tls.crt", "tls.key", "ca.crt"}
